"""The sample events: always the same, all of them valid, and the special ones among them."""

import json
from collections import Counter

from onsale.engine.decide import decide
from onsale.engine.replies import EventReply
from onsale.engine.state import State
from onsale.engine.status import WAITLIST_FIRST_FIT, WAITLIST_OFF
from onsale.node.commands.sample import DAY_MS, sample_events
from onsale.node.commands.sample_shows import KINDS, SHOWS

NOW_MS = 1_795_343_000_000
EVENTS = sample_events(NOW_MS)


def test_equal_times_give_equal_events() -> None:
    assert sample_events(NOW_MS) == EVENTS
    assert sample_events(NOW_MS + 1) == EVENTS


def test_a_node_takes_every_one() -> None:
    replies = [decide(State(), NOW_MS, event).reply for event in EVENTS]
    assert all(isinstance(reply, EventReply) for reply in replies)


def test_there_are_some_200_over_many_cities_dates_and_kinds() -> None:
    assert 180 <= len(EVENTS) <= 220
    assert len({event.city for event in EVENTS}) >= 20
    assert len({event.country for event in EVENTS}) >= 10
    assert {event.category for event in EVENTS} == set(KINDS) == set(SHOWS)
    assert {event.currency for event in EVENTS} == {"EUR", "GBP", "USD", "CHF", "JPY", "SEK"}
    assert min(Counter(event.category for event in EVENTS).values()) >= 10
    months = Counter((event.starts_ms - NOW_MS) // (30 * DAY_MS) for event in EVENTS)
    assert len(months) >= 12
    assert all(NOW_MS < event.starts_ms < NOW_MS + 380 * DAY_MS for event in EVENTS)
    assert all(event.ends_ms is not None and event.ends_ms > event.starts_ms for event in EVENTS)
    assert all(event.venue and event.description for event in EVENTS)
    assert len({(event.name, event.city) for event in EVENTS}) == len(EVENTS)
    assert any("jazz" in event.name.lower() for event in EVENTS), "the README searches for it"


def test_the_special_ones_are_among_them() -> None:
    assert any(sum(each.capacity for each in event.types) == 3 for event in EVENTS), "nearly sold out"
    not_yet = [event for event in EVENTS if event.on_sale_ms is not None and event.on_sale_ms > NOW_MS + DAY_MS]
    assert len(not_yet) == 1
    assert not_yet[0].on_sale_ms is not None
    assert not_yet[0].on_sale_ms < not_yet[0].starts_ms
    assert any(event.waitlist == WAITLIST_FIRST_FIT for event in EVENTS)
    assert any(event.waitlist == WAITLIST_OFF for event in EVENTS)
    assert [event.name for event in EVENTS if event.room and event.challenge] == ["Comet & Sons: the Only Night"]
    assert [event.name for event in EVENTS if event.seat_map] == ["A Lighthouse Keeper's Year"]
    assert any(float(each.price) == 0 for event in EVENTS for each in event.types), "free of charge"


def test_prices_look_like_those_of_their_currency() -> None:
    for event in EVENTS:
        for each in event.types:
            assert ("." in each.price) == (event.currency != "JPY"), (event.name, each.price)


def test_texts_are_short_enough_for_a_request() -> None:
    assert max(len(json.dumps([event.name, event.description])) for event in EVENTS) < 1000
