"""How fast events are found, and what that costs the event loop that takes bookings beside it.

    python -m onsale.loadtest.bench_search [--events 100000] [--rate 500] [--seconds 10] [--json FILE]

Believable events are put into the index; then mixed searches arrive at a steady rate, at random moments, whether or not
those before are answered. A search's time runs from the moment it should have begun. Beside them a ticker sleeps for a
millisecond and notes how late it woke: that is what a booking has to wait for the loop. Each of it is measured with an
idle loop, with one that is kept busy by short callbacks all the time, and while events are being imported.
"""

import argparse
import asyncio
import json
import random
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import uvloop

from ..replicas.search.index import SearchDocument, SearchIndex, SearchRequest

DAY_MS = 86_400_000
FIRST_DAY_MS = 1_795_305_600_000  # 2026-11-22
DAYS = 400
CALLBACK_SECONDS = 0.0001  # of the busy loop, about that of a handful of bookings
IMPORT_EVENTS_PER_SECOND = 2_000

ADJECTIVES = """
    Golden Silent Electric Midnight Velvet Broken Crystal Wild Lonely Burning Hidden Northern Southern Distant Paper
    Iron Silver Neon Little Grand Holy Hollow Bright Young Old Blue Red Black White Green Lucky Secret Royal Savage"""
NOUNS = """
    Wolves Rivers Orchestra Machines Parade Hearts Echoes Lanterns Foxes Kings Queens Shadows Mirrors Horses Gardens
    Ravens Tigers Sailors Ghosts Dancers Dreamers Engines Harbours Islands Mountains Oceans Planets Riders Saints"""
FORMATS = "Live Tour Concert Night Festival Session Unplugged Matinee Gala Showcase Premiere Reunion Farewell"
CITIES = """
    Zürich CH, Malmö SE, Berlin DE, München DE, Köln DE, Hamburg DE, Paris FR, Lyon FR, Nîmes FR, London GB, Dublin IE,
    Madrid ES, Málaga ES, Barcelona ES, Lisboa PT, Porto PT, Roma IT, Milano IT, Wien AT, Graz AT, Praha CZ, Kraków PL,
    Łódź PL, København DK, Århus DK, Oslo NO, Tromsø NO, Stockholm SE, Helsinki FI, Rīga LV, Budapest HU, Brașov RO,
    Αθήνα GR, İstanbul TR, New York US, Chicago US, San Francisco US, Montréal CA, São Paulo BR, Tandil AR, 東京 JP"""
CATEGORIES = "rock pop jazz classical opera theatre comedy dance electronic folk metal hip-hop family sport"
VENUES = "Hall Arena Theatre Club Opera Stadium Garden Pavilion Kulturhaus Forum"
PROSE = """
    an evening with the band that brings new songs and old favourites to stage for one night only doors open early
    support act to be announced tickets limited seats standing room bar restaurant wheelchair accessible family
    friendly children under twelve free entry merchandise after show special guest strings choir light sound production
    season anniversary album award winning celebrated critics audience world international local young talent dance
    music story laughter tears drama comedy history improvisation classic modern experimental"""
SYLLABLES = "ka lo mi ra ten vor del sha qui na bel dor fin gar hel jo kri lan mor nis ol pra rus sil tor ul ven wex"


def sample_documents(count: int, first_id: int = 1) -> list[SearchDocument]:
    """Events over many cities and dates, by known and made-up artists, with descriptions of 15 to 55 words."""
    chance = random.Random(first_id)
    adjectives, nouns, formats = ADJECTIVES.split(), NOUNS.split(), FORMATS.split()
    cities = [city.strip().rsplit(" ", 1) for city in CITIES.split(",")]
    categories, venues, vocabulary, syllables = CATEGORIES.split(), VENUES.split(), PROSE.split(), SYLLABLES.split()
    made_up = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(20_000)]

    def document(event_id: int) -> SearchDocument:
        if chance.random() < 0.6:
            artist = f"{chance.choice(adjectives)} {chance.choice(nouns)}"
        else:
            artist = f"{chance.choice(made_up).title()} {chance.choice(made_up).title()}"
        city, country = chance.choice(cities)
        prose = chance.choices(vocabulary, k=chance.randint(15, 50)) + chance.choices(made_up, k=chance.randint(0, 5))
        day_ms = FIRST_DAY_MS + chance.randrange(DAYS) * DAY_MS
        return SearchDocument(
            event_id=event_id,
            name=f"{artist} {chance.choice(formats)}",
            venue=f"{chance.choice(made_up).title()} {chance.choice(venues)}",
            city=city,
            country=country,
            category=chance.choice(categories),
            description=" ".join(prose),
            starts_ms=day_ms + chance.choice((14, 17, 18, 19, 20, 20)) * 3_600_000,
        )

    return [document(event_id) for event_id in range(first_id, first_id + count)]


def random_request(chance: random.Random, documents: list[SearchDocument]) -> tuple[str, SearchRequest]:
    """A search as someone might send it, and the name of its kind."""
    about = chance.choice(documents)
    artist = about.name.split()
    day_ms = FIRST_DAY_MS + chance.randrange(DAYS) * DAY_MS
    kinds = {
        "rare word": SearchRequest(search=about.venue.split()[0]),
        "common word": SearchRequest(search=chance.choice(("the", "night", "music", "opera", "family"))),
        "two words": SearchRequest(search=f"{artist[1]} {about.city}"),
        "beginning": SearchRequest(search=about.venue[: chance.randint(3, 5)]),
        "short beginning": SearchRequest(search=artist[0][: chance.randint(1, 2)]),
        "word and beginning": SearchRequest(search=f"{artist[0]} {artist[1][:2]}"),
        "typing error": SearchRequest(search=misspelt(chance, f"{artist[0]} {artist[1]}")),
        "name": SearchRequest(name=artist[1]),
        "dates": SearchRequest(start_ms=day_ms, end_ms=day_ms + 7 * DAY_MS),
        "common word, dates": SearchRequest(search="the", start_ms=day_ms, end_ms=day_ms + 30 * DAY_MS),
        "city, category": SearchRequest(city=about.city, category=about.category),
        "everything": SearchRequest(),
        "nothing found": SearchRequest(search="zzyzx unlikely"),
    }
    return chance.choice(list(kinds.items()))


def misspelt(chance: random.Random, text: str) -> str:
    """The text with two neighbouring letters of its last word in each other's place."""
    place = chance.randrange(text.rindex(" ") + 2, len(text) - 1)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


class Bench:
    """The phases; `results` gathers their figures, all in milliseconds."""

    def __init__(self, documents: list[SearchDocument], rate: float, seconds: float) -> None:
        self.documents = documents
        self.rate = rate
        self.seconds = seconds
        self.to_import = sample_documents(int(seconds * IMPORT_EVENTS_PER_SECOND), first_id=len(documents) + 1)
        self.seq = 1
        self.index = SearchIndex()
        self.results: dict[str, Any] = {"events": len(documents), "searches_per_second": rate, "phases": {}}

    async def run(self) -> None:
        began = time.perf_counter()
        await self.index.start(self.documents, self.seq)
        self.results["build_seconds"] = round(time.perf_counter() - began, 2)
        self.results["index_process_megabytes"] = resident_megabytes(self.index.process_id)
        print(f"{len(self.documents):,} events indexed in {self.results['build_seconds']} s", end="; ")
        print(f"the index process takes {self.results['index_process_megabytes']} MB")
        await self.phase("idle loop", busy=False, searches=False)
        await self.phase("idle loop, searches", busy=False, searches=True)
        await self.phase("busy loop", busy=True, searches=False)
        await self.phase("busy loop, searches", busy=True, searches=True)
        await self.phase("import, searches", busy=False, searches=True, imports=True)
        await self.index.close()

    async def phase(self, name: str, *, busy: bool, searches: bool, imports: bool = False) -> None:
        """Run for the given time; note how late the loop was, and each kind's latency."""
        until = time.perf_counter() + self.seconds
        late: list[float] = []
        taken: dict[str, list[float]] = defaultdict(list)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tick(until, late))
            if busy:
                tasks.create_task(keep_busy(until))
            if searches:
                tasks.create_task(self.search(until, taken))
            if imports:
                tasks.create_task(self.imports(until))
        everything = [each for kind in taken.values() for each in kind]
        self.results["phases"][name] = {
            "loop_late": summary(late),
            "search": summary(everything) if everything else None,
            "kinds": {kind: summary(taken[kind]) for kind in sorted(taken)},
        }
        print(f"\n{name:28}{'count':>8}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        print_row("loop late", late)
        for kind in sorted(taken):
            print_row(kind, taken[kind])
        if everything:
            print_row("all searches", everything)

    async def search(self, until: float, taken: dict[str, list[float]]) -> None:
        chance = random.Random(11)

        async def one(kind: str, request: SearchRequest, began: float) -> None:
            await self.index.search(request)
            taken[kind].append(time.perf_counter() - began)

        moment = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            while (moment := moment + chance.expovariate(self.rate)) < until:
                kind, request = random_request(chance, self.documents)
                if (pause := moment - time.perf_counter()) > 0:
                    await asyncio.sleep(pause)
                tasks.create_task(one(kind, request, moment))

    async def imports(self, until: float) -> None:
        per_turn = IMPORT_EVENTS_PER_SECOND // 100
        while time.perf_counter() < until and self.to_import:
            changed, self.to_import = self.to_import[:per_turn], self.to_import[per_turn:]
            self.seq += 1
            self.index.update(self.seq, changed)
            await asyncio.sleep(0.01)


async def tick(until: float, late: list[float]) -> None:
    while (began := time.perf_counter()) < until:
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)


async def keep_busy(until: float) -> None:
    while (began := time.perf_counter()) < until:
        while time.perf_counter() - began < CALLBACK_SECONDS:
            pass
        await asyncio.sleep(0)


def resident_megabytes(process_id: int | None) -> int | None:
    """Memory of a process, where /proc says it."""
    pages = Path(f"/proc/{process_id}/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() // 1_000_000 if pages.exists() else None


def summary(seconds: list[float]) -> dict[str, float]:
    """Count, p50, p99 and the greatest, in milliseconds."""
    ordered = sorted(seconds)
    p50, p99, most = (round(max(0.0, ordered[int(len(ordered) * part)]) * 1000, 3) for part in (0.5, 0.99, 0.999999))
    return {"count": len(ordered), "p50_ms": p50, "p99_ms": p99, "max_ms": most}


def print_row(name: str, seconds: list[float]) -> None:
    row = summary(seconds)
    print(f"  {name:26}{row['count']:>8,}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['max_ms']:>9.2f}")


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Search latency beside a working event loop.")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=500, help="searches per second")
    parser.add_argument("--seconds", type=float, default=10, help="per phase")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    bench = Bench(sample_documents(arguments.events), arguments.rate, arguments.seconds)
    uvloop.run(bench.run())
    if arguments.json:
        arguments.json.write_text(json.dumps(bench.results, indent=2) + "\n")


if __name__ == "__main__":
    main()
