"""What a search finds, in which order, and how its pages follow each other: the index itself, without its process."""

import itertools
import re
import unicodedata

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from onsale.engine.search import SearchRequest
from onsale.replicas.search.query import TEXT_CHARACTERS_MAX, WORDS_MAX, bounded
from onsale.replicas.search.store import SearchDocument, SearchStore
from onsale.replicas.search.words import whole_of, words_of

NOON_MS = 1_800_000_000_000
HOUR_MS = 3_600_000

HOSTILE = [
    *(
        '"',
        "\\",
        "*",
        "?",
        "~",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "^",
        "+",
        "-",
        ":",
        "/",
        "&&",
        "||",
        "!",
        "'",
        "`",
        "%",
        ";",
    ),
    "name:wolves AND (",
    '"wolves',
    "wol*",
    "wolves~2",
    "wolves^99",
    "[* TO *]",
    "AND OR NOT",
    ".*",
    "(a+)+$",
    "\0",
    "wolves\0",
    "\x01\x7f\u200b\u2028\ufeff",
    "...!!!???",
    "🎸🎸🎸",
    "👩‍👩‍👧‍👦",
    "東京",
    "ไทย",
    "العربية",
    "\ud800",
    "wolves \udfff",
    "a" * 10_000,
    "a " * 5_000,
    "wolves " * 1_500,
    "é" * 10_000,
    "\ufdfa" * 1_000,
    "a\u0301" * 300,
    "\u0301" * 10_000,
    " \t\n\r ",
]


def document(event_id: int, name: str = "", **fields: str | int) -> SearchDocument:
    blank: dict[str, str | int] = dict.fromkeys(("venue", "city", "country", "category", "description"), "")
    return SearchDocument(**{**blank, "starts_ms": NOON_MS + event_id, **fields, "event_id": event_id, "name": name})


def pages(store: SearchStore, request: SearchRequest) -> list[list[int]]:
    """All pages of a search, each begun where the one before said."""
    found = []
    request = bounded(request)
    position = None
    while True:
        event_ids, position = store.search(request, position)
        found.append(event_ids)
        if position is None:
            return found
        assert len(event_ids) == request.limit


def search(store: SearchStore, search: str = "", **fields) -> list[int]:
    return list(itertools.chain(*pages(store, SearchRequest(search=search, limit=100, **fields))))


@pytest.fixture(scope="module")
def store() -> SearchStore:
    return SearchStore(
        [
            document(1, "Golden Wolves Live", venue="Hallenstadion", city="Zürich", category="rock"),
            document(2, "Jazz im Park", venue="Wolves Club", city="Malmö", category="jazz", country="Sweden"),
            document(3, "Evening", city="Łódź", category="Jazz", description="the wolves of old, for the last time"),
            document(4, "Wolvesbane", city="Århus", category="metal", description="2026 reunion"),
            document(5, "Opéra Nouvel", city="New York", category="opera", description="Straße, 'rock'n'roll' & AC/DC"),
            document(6, "東京ドーム Night", city="東京", category="pop", description="2027 tour"),
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wolves", [1, 2, 3, 4]),  # name, then venue, then description, then a name that only begins with it
        ("WOLVES", [1, 2, 3, 4]),
        ("wolv", [1, 4, 2, 3]),  # a beginning everywhere: in names first
        ("w", [1, 4, 2, 3]),
        ("zurich", [1]),
        ("Zürich", [1]),
        ("Zu\u0308rich", [1]),
        ("malmo", [2]),
        ("lodz", [3]),
        ("arhus", [4]),
        ("strasse", [5]),
        ("opera", [5]),
        ("rock", [1, 5]),
        ("ac dc", [5]),
        ("rock-n-roll", [5]),
        ("京", [6]),
        ("ドーム", [6]),
        ("sweden", [2]),
        ("golden zurich", [1]),  # words of different fields
        ("zurich golden", [1]),
        ("gol zur", [1]),  # beginnings of both
        ("golden malmo", []),  # all words must match
        ("olves", [1, 2, 3]),  # the middle of a word is none of its beginnings: only as a typing error
        ("golden xx", []),
        ("", [1, 2, 3, 4, 5, 6]),
        ("  ", [1, 2, 3, 4, 5, 6]),
        ("?!", []),
    ],
)
def test_words_and_their_beginnings_are_found_best_first(store: SearchStore, text: str, expected: list[int]) -> None:
    assert search(store, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wolfes", [1, 2, 3]),  # one letter wrong
        ("wovles", [1, 2, 3]),  # two changed places: counts one
        ("wolvess", [1, 2, 3]),
        ("wlves", [1, 2, 3]),
        ("wlvs", []),  # two errors are too many for a short word
        ("hallenstafiom", [1]),  # two in a long one
        ("hallonstafiom", []),
        ("goldne zurihc", [1]),
        ("jaz", [2, 3]),  # a beginning, no error
        ("jzz", []),  # too short to forgive
        ("2025", []),  # numbers are not guessed at
        ("2026", [4]),
    ],
)
def test_small_typing_errors_are_forgiven(store: SearchStore, text: str, expected: list[int]) -> None:
    assert search(store, text) == expected


def test_typing_errors_are_forgiven_only_when_nothing_was_meant_literally() -> None:
    store = SearchStore([document(1, "Muses"), document(2, "Museum"), document(3, "Mutes"), document(4, "Moses")])
    assert search(store, "muses") == [1]
    assert search(store, "muse") == [1, 2]
    assert search(store, "musis") == [1]
    assert search(store, "mases") == [1, 4]


def test_a_last_word_may_be_unfinished_before_the_others_may() -> None:
    store = SearchStore([document(1, "Jazzy Berlin"), document(2, "Jazz Berlin"), document(3, "Jazzy Ber")])
    assert search(store, "jazz ber") == [2, 1, 3]


def test_a_single_letter_is_a_beginning_only_at_the_end() -> None:
    store = SearchStore([document(1, "Salon Orchestra"), document(2, "S Orchestra")])
    assert search(store, "s orchestra") == [2]
    assert search(store, "orchestra s") == [2, 1]


def test_name_searches_the_name_alone(store: SearchStore) -> None:
    assert search(store, name="wolves") == [1, 4]
    assert search(store, name="jazz") == [2]
    assert search(store, name="wolfes") == [1]
    assert search(store, "zurich", name="wolv") == [1]
    assert search(store, "malmo", name="wolves") == []
    assert search(store, "malmo", name="?") == []


def test_city_and_category_are_whole_values(store: SearchStore) -> None:
    assert search(store, city="zurich") == search(store, city=" ZÜRICH ") == [1]
    assert search(store, category="jazz") == search(store, category="JAZZ") == [2, 3]
    assert search(store, city="new york") == search(store, city="New  York") == [5]
    assert search(store, city="york") == search(store, city="new") == search(store, city="zürich!") == []
    assert search(store, city="東京") == [6]
    assert search(store, "wolves", category="jazz") == [2, 3]
    assert search(store, city="malmö", category="rock") == []
    assert search(store, city=" ", category="") == [1, 2, 3, 4, 5, 6]


def test_dates_are_inclusive_and_order_what_has_no_text() -> None:
    starts = {1: 30, 2: 10, 3: 20, 4: 20, 5: -5}
    store = SearchStore([document(number, "Night", starts_ms=starts_ms) for number, starts_ms in starts.items()])
    assert search(store) == [5, 2, 3, 4, 1]
    assert search(store, start_ms=10, end_ms=20) == [2, 3, 4]
    assert search(store, start_ms=11) == [3, 4, 1]
    assert search(store, end_ms=9) == [5]
    assert search(store, "night", start_ms=20, end_ms=20) == [3, 4]
    assert search(store, start_ms=21, end_ms=20) == []
    assert search(store, start_ms=-(10**30), end_ms=10**30) == [5, 2, 3, 4, 1]


def test_a_document_replaces_the_earlier_one_of_its_event() -> None:
    store = SearchStore([document(1, "First", city="Bern"), document(2, "Second")])
    store.add(document(1, "Renamed", city="Basel", starts_ms=NOON_MS + HOUR_MS))
    store.add(document(3, "Third"))
    store.add(document(3, "Third, moved", city="Chur"))
    assert search(store) == [1, 2]  # not before the commit
    store.commit()
    assert search(store) == [2, 3, 1]
    assert search(store, "first") == search(store, city="bern") == []
    assert search(store, "renamed") == search(store, city="basel") == [1]
    assert search(store, city="chur") == [3]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_finds_nothing_worse_than_nothing(store: SearchStore, text: str) -> None:
    for field in ("search", "name", "city", "category"):
        found = search(store, **{field: text})
        assert set(found) <= {1, 2, 3, 4, 5, 6}


@given(st.text(), st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_can_be_searched_for(store: SearchStore, text: str, city: str) -> None:
    search(store, text, city=city)
    assert words_of(" ".join(words_of(text))) == words_of(text)
    assert whole_of(whole_of(city)) == whole_of(city)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_name_is_found_by_itself(name: str) -> None:
    if words_of(name):
        assert search(SearchStore([document(1, name, city=name)]), name, city=name) == [1]


def test_only_the_first_words_count() -> None:
    store = SearchStore([document(1, " ".join(f"word{number}x" for number in range(WORDS_MAX)))])
    asked = " ".join(f"word{number}x" for number in range(WORDS_MAX))
    assert search(store, f"{asked} missing") == [1]
    assert search(store, f"missing {asked}") == []
    assert search(store, "word1x " + " " * TEXT_CHARACTERS_MAX + "missing") == [1]


# a naive matcher, written from the contract alone

VOCABULARY = ["jazz", "Jazzy", "Zürich", "zur", "rock", "Rocks", "o", "Opéra", "op", "2026"]
FIELDS = ("name", "venue", "city", "country", "category", "description")


def plain(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(each))


def naive_rank(one: SearchDocument, text: str) -> tuple[int, int] | None:
    """How well a document matches: (which kind of match, in which fields); None if it does not."""
    asked = plain(text).split()
    names = [plain(getattr(one, field)) for field in FIELDS]
    held = [set(re.findall(r"\w+", " ".join(names[:end]))) for end in (1, 5, 6)]

    def begins(word: str, last: bool, words: set[str]) -> bool:
        return word in words if len(word) == 1 and not last else any(each.startswith(word) for each in words)

    kinds = [
        lambda word, _, words: word in words,
        lambda word, last, words: begins(word, last, words) if last else word in words,
        begins,
    ]
    for kind, matches in enumerate(kinds):
        for place, words in enumerate(held):
            if all(matches(word, word == asked[-1], words) for word in asked):
                return kind, place
    return None


some_words = st.lists(st.sampled_from(VOCABULARY), max_size=3).map(" ".join)
some_documents = st.lists(
    st.builds(
        SearchDocument,
        event_id=st.just(0),
        name=some_words,
        venue=some_words,
        city=st.sampled_from(["Zürich", "Bern"]),
        country=st.just(""),
        category=st.sampled_from(["rock", "jazz"]),
        description=some_words,
        starts_ms=st.integers(0, 5),
    ),
    max_size=25,
).map(lambda drawn: [msgspec.structs.replace(each, event_id=number) for number, each in enumerate(drawn, 1)])
some_text = st.lists(
    st.sampled_from(VOCABULARY).flatmap(lambda word: st.integers(1, len(word)).map(lambda end: word[:end])),
    min_size=1,
    max_size=3,
).map(" ".join)


@given(
    some_documents,
    some_text,
    st.sampled_from(["", "zurich", "BERN"]),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 5),
    st.integers(1, 6),
)
@settings(max_examples=120, deadline=None)
def test_matches_and_order_are_those_of_a_naive_matcher(documents, text, city, start_ms, end_ms, limit) -> None:
    store = SearchStore(documents[:5])
    for each in documents[5:]:
        store.add(each)
        store.commit()
    expected = sorted(
        (rank, each.starts_ms, each.event_id)
        for each in documents
        if (rank := naive_rank(each, text)) is not None
        and city.lower() in ("", plain(each.city))
        and (start_ms is None or each.starts_ms >= start_ms)
        and (end_ms is None or each.starts_ms <= end_ms)
    )
    request = SearchRequest(search=text, city=city, start_ms=start_ms, end_ms=end_ms, limit=limit)
    if expected:
        assert list(itertools.chain(*pages(store, request))) == [event_id for *_, event_id in expected]


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 7), st.sampled_from(["", "night", "nig", "nigth"]))
@settings(max_examples=60, deadline=None)
def test_pages_follow_each_other_without_gap_or_repetition(starts: list[int], limit: int, text: str) -> None:
    documents = [document(number, "Night", starts_ms=starts_ms) for number, starts_ms in enumerate(starts, 1)]
    found = pages(SearchStore(documents), SearchRequest(search=text, limit=limit))
    in_order = [each.event_id for each in sorted(documents, key=lambda each: (each.starts_ms, each.event_id))]
    assert list(itertools.chain(*found)) == in_order
    assert all(found[1:])  # no page is empty but the only one


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_pages_stay_in_step_while_events_come_in(data: st.DataObject) -> None:
    names = st.sampled_from(["Night", "Nightly", "Evening"])

    def some_document(event_id: int) -> SearchDocument:
        return document(event_id, data.draw(names), description="night", starts_ms=data.draw(st.integers(0, 4)))

    before = [some_document(number) for number in range(100, 130)]
    store = SearchStore(before)
    request = SearchRequest(search=data.draw(st.sampled_from(["", "night", "ni"])), limit=4)
    seen: list[int] = []
    position = None
    for number in itertools.count(1):
        event_ids, position = store.search(request, position)
        seen += event_ids
        if position is None:
            break
        for newcomer in (number, 1_000 + number):  # ids before and after the others
            if number < 20:
                store.add(some_document(newcomer))
        store.commit()
    assert len(seen) == len(set(seen))
    assert {each.event_id for each in before} <= set(seen)


def test_deep_pages_cost_no_more_than_the_first() -> None:
    store = SearchStore([document(number, "Night", starts_ms=number // 100) for number in range(1, 5_001)])
    found = pages(store, SearchRequest(search="night", limit=100))
    assert list(itertools.chain(*found)) == list(range(1, 5_001))
