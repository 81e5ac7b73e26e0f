"""A state made of rows is the state that `apply` made of facts, down to every index and the memory it takes."""

from typing import Any

import pytest
from msgspec.msgpack import decode, encode

from onsale.engine import commands as c
from onsale.engine.invariants import check
from onsale.engine.restore import InconsistentRowsError, restore
from onsale.engine.state import State, state_hash
from onsale.engine.status import EXPIRED
from onsale.tests.engine.histories import HOLD_MS, START_MS, History, booking_id_of
from onsale.tests.engine.rich_histories import play, played, rich_history
from onsale.tests.engine.run import RECORDS, keys_as_stored


def stored_rows(state: State) -> dict[str, Any]:
    """Copies of all rows, in the order in which a database gives them back."""
    rows: dict[str, Any] = {}
    for name, table in state.tables.items():
        keys = keys_as_stored(state, name)
        rows[name] = [decode(encode(table.rows[key]), type=RECORDS[name]) for key in keys]
    return rows


def again(state: State) -> State:
    return restore(state.counters(), **stored_rows(state), expected_hash=state_hash(state))


def indexes(state: State) -> dict[str, Any]:
    """Everything that is derived, as plain values."""
    return {
        "claims": {
            event_id: {
                user_id: (sale.tickets_of(user_id), sorted(booking.id for booking in sale.bookings_of(user_id)))
                for user_id in sale.claims
            }
            for event_id, sale in state.sales.items()
        },
        "types": {event_id: list(sale.types) for event_id, sale in state.sales.items()},
        "names": {event_id: set(sale.types_by_name) for event_id, sale in state.sales.items()},
        "lines": {
            type_id: list(line.bookings()) for sale in state.sales.values() for type_id, line in sale.lines.items()
        },
        "deadlines": sorted(state.deadlines.pairs()),
        "retirings": sorted(state.retirings.pairs()),
        "closings": sorted(state.closings.pairs()),
        "promotable": set(state.promotable),
        "sweeping": set(state.sweeping),
        "cluster": (state.epoch, state.leader, state.voters, state.sync_standbys, state.ticket_key),
        "keys": [key.digest for key in state.key_order if state.keys.rows.get(key.digest) is key],
        "owed": {
            event_id: (owed.refunds, owed.refunds_failed, owed.deliveries, owed.deliveries_dead)
            for event_id, owed in ((event_id, sale.owed) for event_id, sale in state.sales.items())
        },
        "dead": (set(state.deliveries_dead), set(state.refunds_failed), state.concerns_open),
        "deliveries": list(state.deliveries.rows),
        "telling": set(state.telling),
        "news": [event.id for event in state.provider_event_order],
        "challenges": [challenge.digest for challenge in state.challenge_order],
        "rooms": {
            event_id: (
                sale.queue.due_ms,
                {user_id: place.id for user_id, place in sale.queue.by_user.items()},
                [sale.queue.number_of(arrival) for arrival in range(1, sale.queue.room.arrivals + 1)],
                sale.queue.position(sale.queue.room.arrivals) if sale.queue.drawn else None,
            )
            for event_id, sale in state.sales.items()
            if sale.queue is not None
        },
        "rooms due": (sorted(state.rooms_due.pairs()), sorted(state.room_turns.pairs()), set(state.rooms_emptying)),
        "seats": {
            event_id: bytes(map(sale.seating.status, range(sale.seating.seats)))
            for event_id, sale in state.sales.items()
            if sale.seating is not None
        },
    }


@pytest.mark.parametrize("seed", range(12))
def test_every_index_is_as_apply_left_it(seed: int) -> None:
    history = rich_history(seed)
    state = again(history.state)
    check(state)
    assert state_hash(state) == state_hash(history.state)
    assert indexes(state) == indexes(history.state)
    for event_id, sale in history.state.sales.items():
        assert sale.lapsed.items() <= state.sales[event_id].lapsed.items()


@pytest.mark.parametrize("seed", range(8))
def test_facts_lead_on_to_the_same_state(seed: int) -> None:
    batches = rich_history(seed).batches
    for middle in (1, len(batches) // 3, len(batches) - 5):
        state = again(played(batches[:middle]))
        play(state, batches[middle:])
        check(state)
        assert state_hash(state) == state_hash(played(batches))
        assert indexes(state) == indexes(played(batches))


def test_an_empty_state() -> None:
    state = again(State())
    assert state_hash(state) == state_hash(State())
    check(state)


def test_nothing_counts_as_changed() -> None:
    state = again(rich_history(1).state)
    for table in state.tables.values():
        assert not table.changed
        assert not table.archived
        assert not table.forgotten
    assert not state.notices


def test_a_line_is_served_on_in_its_order() -> None:
    history = History()
    event_id = history.event(("Standing", "10.00", 2))
    first, second = (booking_id_of(history.book(f"user-{number}", event_id)) for number in (1, 2))
    waiting = [booking_id_of(history.book(f"user-{number}", event_id)) for number in range(3, 7)]
    history.give_up(waiting[1])
    state = history.state = again(history.state)
    history.give_up(first)
    history.give_up(second)
    assert [number for number in waiting if state.bookings.rows[number].expires_ms] == [waiting[0], waiting[2]]
    history.book("user-8", event_id)
    assert list(state.sales[event_id].lines[1].bookings()) == [waiting[3], state.next_booking_id - 1]


def test_the_latest_hold_that_lapsed_is_remembered() -> None:
    history = History()
    event_id = history.event(("Standing", "10.00", 9))
    for _ in range(3):
        latest = booking_id_of(history.book("user-1", event_id))
        history.pass_time(HOLD_MS + 1)
    state = again(history.state)
    assert state.sales[event_id].lapsed == history.state.sales[event_id].lapsed == {"user-1": latest}
    assert state.bookings.rows[latest].status == EXPIRED


def test_equal_numbers_and_strings_are_one_object() -> None:
    history = History()
    history.do(c.SaveUser("user-with-a-long-name", name="Ida"))
    for _ in range(300):  # small numbers are always shared
        event_id = history.event(("Standing", "100.00", 10_000_000))
    for _ in range(2):
        history.confirm(booking_id_of(history.book("user-with-a-long-name", event_id)))
    state = again(history.state)
    first, second = state.bookings.rows.values()
    event, (ticket_type,) = state.events.rows[event_id], state.sales[event_id].types.values()
    assert first.event_id is second.event_id is event.id
    assert ticket_type.event_id is event.id
    assert first.ticket_type_id is second.ticket_type_id is ticket_type.id
    assert first.user_id is second.user_id is state.users.rows[first.user_id].id
    assert first.amount_minor is second.amount_minor
    assert first.created_ms is second.created_ms is first.held_ms is second.held_ms


def test_rows_that_were_changed_are_refused() -> None:
    state = rich_history(3).state
    rows = stored_rows(state)
    rows["bookings"][4].quantity += 1
    with pytest.raises(InconsistentRowsError, match="hash"):
        restore(state.counters(), **rows, expected_hash=state_hash(state))


def test_a_line_of_absurd_length_is_refused_before_it_is_built() -> None:
    history = History()
    event_id = history.event(("Standing", "10.00", 1))
    for number in range(4):
        history.book(f"user-{number}", event_id)
    rows = stored_rows(history.state)
    rows["bookings"][-1].line_number = 2**60
    rows["ticket_types"][0].line_next = 2**61
    with pytest.raises(InconsistentRowsError, match="hash"):
        restore(history.state.counters(), **rows, expected_hash=state_hash(history.state))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows, counters: rows["events"].pop(0),
        lambda rows, counters: rows["ticket_types"].pop(),
        lambda rows, counters: counters.pop("next_notice_id"),
        lambda rows, counters: counters.pop("sync_standbys"),
        lambda rows, counters: rows["members"].pop(),
        lambda rows, counters: rows["epochs"].pop(),
        lambda rows, counters: setattr(rows["secrets"][0], "value", b"l" * 32),
        lambda rows, counters: setattr(rows["bookings"][0], "user_id", None),
        lambda rows, counters: setattr(rows["ticket_types"][0], "event_id", 7_000),
    ],
)
def test_rows_that_contradict_each_other_are_refused(spoil: Any) -> None:
    state = rich_history(3).state
    rows, counters = stored_rows(state), state.counters()
    spoil(rows, counters)
    with pytest.raises(InconsistentRowsError):
        restore(counters, **rows, expected_hash=state_hash(state))


def test_rows_of_an_older_version_have_no_hash_to_match() -> None:
    state = rich_history(3).state
    rows = stored_rows(state)
    rows["events"][0].description = "as an older version would have it"
    other = restore(state.counters(), **rows)
    check(other)
    assert other.at_ms == state.at_ms > START_MS
