"""Sample events, so that a new node has something to sell: believable, invented, and always the same ones.

Owns how shows, towns and dates become events. Equal times give equal events; there is no chance in it.
"""

from datetime import date, timedelta
from typing import Any

from ...engine.commands import CreateEvent, RoomSpec, RowSpec, SectionSpec, TypeSpec
from ...engine.status import CHALLENGE_PROOF_OF_WORK, WAITLIST_FIRST_FIT, WAITLIST_OFF
from .sample_shows import KINDS, SHOWS, TOWNS, Show, Town

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
FIRST_DAY, DAYS = 5, 355  # the days from now on which something is on

# per euro, and the step to which a price is rounded, in minor units
_RATES = {
    "EUR": (1.0, 10),
    "GBP": (0.9, 50),
    "USD": (1.1, 100),
    "CHF": (1.1, 100),
    "SEK": (11.0, 500),
    "JPY": (150, 100),
}
_WEEKDAY_OF_DAY_0 = 3  # a Thursday
_SUMMER = range(5, 10)  # months
_STRIDE = 97  # coprime to DAYS, so that dates spread over the year


def sample_events(now_ms: int) -> list[CreateEvent]:
    """Some 200 events of the year that begins with the day of `now_ms`, the special ones first.

    Among them: one nearly sold out, one not on sale yet, one that lets groups be passed, one free of charge, one
    without a waitlist, one with a waiting room and a challenge, one with numbered seats.
    """
    today_ms = now_ms - now_ms % DAY_MS
    events = [*_special_events(today_ms), *_special_ways_in(today_ms)]
    town_number = 0
    for category, shows in SHOWS.items():
        for show in shows:
            for _ in range(show.towns):
                town = TOWNS[town_number % len(TOWNS)]
                day = _day(today_ms // DAY_MS, len(events), outdoors=category == "festival")
                events.append(_event(category, show, town, day, len(events)))
                town_number += 7  # coprime to the number of towns: a show never visits one twice
    return events


def _day(today: int, number: int, *, outdoors: bool) -> int:
    """Days since 1970. What is outdoors is in summer."""
    offset = number * _STRIDE
    while True:
        day = today + FIRST_DAY + offset % DAYS
        if not outdoors or (date(1970, 1, 1) + timedelta(day)).month in _SUMMER:
            return day
        offset += _STRIDE


def _event(category: str, show: Show, town: Town, day: int, number: int) -> CreateEvent:
    kind = KINDS[category]
    if kind.weekday is not None:
        day += (kind.weekday - day - _WEEKDAY_OF_DAY_0) % 7
    day_ms = day * DAY_MS
    starts_ms = day_ms + (kind.hour + town.hours_to_utc) * HOUR_MS + number % 2 * HOUR_MS // 2
    types = kind.tickets[: 2 + number % 2] if category in ("concert", "exhibition") else kind.tickets
    return CreateEvent(
        name=show.name,
        starts_ms=starts_ms,
        ends_ms=starts_ms + kind.hours * HOUR_MS,
        venue=getattr(town, kind.venue),
        city=town.city,
        country=town.country,
        category=category,
        description=show.description,
        currency=town.currency,
        types=tuple(
            TypeSpec(name, _price(show.price * times, town.currency), capacity // (1 + number % 3))
            for name, times, capacity in types
        ),
        max_per_user=(10, 8, 6, 4)[number % 4],
    )


def _price(euros: float, currency: str) -> str:
    """As a price looks in that currency: 49.90, 45.50, 540.00, 7500."""
    rate, step = _RATES[currency]
    if currency == "JPY":
        return str(max(round(euros * rate / step), 1) * step)
    minor = max(round(euros * rate * 100 / step), 1) * step
    return f"{minor // 100}.{minor % 100:02d}"


def _section(name: str, rows: str, seats: int) -> SectionSpec:
    """Of the ticket type of the same name."""
    return SectionSpec(name, name, tuple(RowSpec(row, seats) for row in rows))


def _times(today_ms: int, day: int, hour: int, hours: int) -> dict[str, Any]:
    starts_ms = today_ms + day * DAY_MS + hour * HOUR_MS
    return {"starts_ms": starts_ms, "ends_ms": starts_ms + hours * HOUR_MS}


def _special_events(today_ms: int) -> list[CreateEvent]:
    """Each shows something that the others do not."""
    return [
        CreateEvent(
            **_times(today_ms, 21, 19, 3),
            name="Kitchen Concert: Marrow & Vine",
            venue="A kitchen in Neukölln", city="Berlin", country="Germany", category="concert",
            description="Two voices, one stove, soup included. Three seats are left at the table.",
            types=(TypeSpec("Seat at the table", "35.00", 3),),
            max_per_user=2,
        ),
        CreateEvent(
            **_times(today_ms, 150, 20, 3),
            name="Northern Fuse: the Farewell Night",
            venue="Marsh Common", city="London", country="United Kingdom", category="concert", currency="GBP",
            description="One last evening with everyone who was ever in the band. Tickets go on sale in two weeks.",
            types=(TypeSpec("Standing", "75.00", 8000), TypeSpec("Seated", "95.00", 2000)),
            on_sale_ms=today_ms + 14 * DAY_MS + 10 * HOUR_MS,
            max_per_user=4,
            max_holds_per_user=1,
        ),
        CreateEvent(
            **_times(today_ms, 33, 17, 5),
            name="The Long Table",
            venue="La Grande Verrière", city="Paris", country="France", category="festival",
            description="Dinner for two hundred at one table. In line, a small group may be served before a large one.",
            types=(TypeSpec("Seat", "68.00", 200),),
            waitlist=WAITLIST_FIRST_FIT,
        ),
        CreateEvent(
            **_times(today_ms, 12, 9, 2),
            name="Open Rehearsal: Orchestra of the Three Rivers",
            venue="Donauhalle", city="Vienna", country="Austria", category="family",
            description="Sit between the violins while they practise. Free of charge; a ticket is needed all the same.",
            types=(TypeSpec("Free ticket", "0.00", 150),),
            max_per_user=5,
        ),
    ]  # fmt: skip


def _special_ways_in(today_ms: int) -> list[CreateEvent]:
    """As above."""
    return [
        CreateEvent(
            **_times(today_ms, 40, 21, 2),
            name="Midnight Sauna Comedy",
            venue="Kvarnhallen, the lower floor", city="Stockholm", country="Sweden", category="comedy", currency="SEK",
            description="Six comedians, eighty degrees. There is no waitlist: what is gone is gone.",
            types=(TypeSpec("Bench", "290.00", 24),),
            waitlist=WAITLIST_OFF,
        ),
        CreateEvent(
            **_times(today_ms, 60, 19, 3),
            name="Comet & Sons: the Only Night",
            venue="Rheinhalle 4", city="Cologne", country="Germany", category="concert",
            description="Everybody wants to be there, so there is a queue: first come, first served. Browsers do a "
            "little sum before they join, so that programs can't crowd it.",
            types=(TypeSpec("Standing", "59.00", 400), TypeSpec("Gallery", "89.00", 100)),
            max_per_user=4,
            challenge=CHALLENGE_PROOF_OF_WORK,
            room=RoomSpec(admit_per_minute=120, turn_ms=3 * MINUTE_MS),
        ),
        CreateEvent(
            **_times(today_ms, 45, 18, 3),
            name="A Lighthouse Keeper's Year",
            venue="Theater am Lindenufer", city="Berlin", country="Germany", category="theatre",
            description="One actor, twelve months, a hundred and sixty-eight numbered seats.",
            types=(TypeSpec("Stalls", "42.00", 120), TypeSpec("Circle", "28.00", 48)),
            max_per_user=6,
            seat_map=(_section("Stalls", "ABCDEFGHIJ", 12), _section("Circle", "ABCD", 12)),
        ),
    ]  # fmt: skip
