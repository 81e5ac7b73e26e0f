"""The index behind its process: what a search sees of what was handed over, and what happens when things end."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from onsale.engine.search import Hits, SearchRequest
from onsale.replicas.search import index as search_module
from onsale.replicas.search.index import BadCursor, SearchDocument, SearchIndex, SearchUnavailable

JAZZ = SearchRequest(search="jazz", limit=100)
EVERYTHING = SearchRequest(limit=100)


def document(event_id: int, name: str = "Jazz") -> SearchDocument:
    return SearchDocument(event_id, name, "Hall", "Zürich", "CH", "music", "", starts_ms=event_id)


def documents(*event_ids: int) -> list[SearchDocument]:
    return [document(event_id) for event_id in event_ids]


async def all_found(index: SearchIndex, request: SearchRequest) -> list[int]:
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        hits = await index.search(SearchRequest(search=request.search, limit=100, cursor=cursor))
        found += hits.event_ids
        cursor = hits.next_cursor
    return found


async def turns(count: int = 20) -> None:
    """Let everything else on the loop have its turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_finds_what_it_was_started_with(index: SearchIndex) -> None:
    hits = await index.search(JAZZ)
    assert hits.event_ids == [1, 2, 3]
    assert hits.seq == 10
    assert hits.next_cursor is None


async def test_pages_follow_through_their_cursors(index: SearchIndex) -> None:
    first = await index.search(SearchRequest(search="jazz", limit=2))
    assert first.event_ids == [1, 2]
    assert first.next_cursor is not None
    second = await index.search(SearchRequest(search="jazz", limit=1, cursor=first.next_cursor))
    assert (second.event_ids, second.next_cursor) == ([3], None)
    with pytest.raises(BadCursor):
        await index.search(SearchRequest(search="rock", limit=2, cursor=first.next_cursor))
    with pytest.raises(BadCursor):
        await index.search(SearchRequest(search="jazz", cursor="garbage"))


async def test_what_was_handed_over_is_found_at_once(index: SearchIndex) -> None:
    for event_id in range(4, 24):
        index.update(event_id + 10, documents(event_id))
        hits = await index.search(JAZZ)
        assert hits.event_ids == list(range(1, event_id + 1))
        assert hits.seq == event_id + 10


async def test_a_renamed_event_has_its_new_name_only(index: SearchIndex) -> None:
    index.update(11, [document(2, "Opera")])
    index.update(12, [document(2, "Ballet")])
    assert (await index.search(JAZZ)).event_ids == [1, 3]
    assert (await index.search(SearchRequest(search="opera"))).event_ids == []
    assert (await index.search(SearchRequest(search="ballet"))).event_ids == [2]


async def test_an_edition_lasts_until_something_else_can_be_found(index: SearchIndex) -> None:
    edition = index.edition
    index.update(11, [])
    await index.search(JAZZ)
    assert index.edition is edition
    assert index.handed_seq == 11
    index.update(12, documents(4))
    assert index.edition is not edition
    assert index.handed_seq == 12


async def test_those_who_ask_are_told_by_a_call(index: SearchIndex) -> None:
    told: asyncio.Queue[Hits | SearchUnavailable] = asyncio.Queue()
    for request in (JAZZ, EVERYTHING, SearchRequest(search="opera")):
        index.ask(request, 0, told.put_nowait)
    assert told.empty()
    assert [len((await told.get()).event_ids) for _ in range(3)] == [3, 3, 0]  # type: ignore[union-attr]
    with pytest.raises(BadCursor):
        index.ask(SearchRequest(cursor="nonsense"), 0, told.put_nowait)


async def test_a_process_that_stands_still_is_not_asked_without_end(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "ANSWER_SECONDS_MAX", 0.01)
    monkeypatch.setattr(search_module, "UNANSWERED_MAX", 2)
    assert index.process_id is not None
    os.kill(index.process_id, signal.SIGSTOP)
    for message in ("too much to do", "too much to do", "too many"):
        with pytest.raises(SearchUnavailable, match=message):
            await index.search(JAZZ)
    os.kill(index.process_id, signal.SIGCONT)


async def test_an_empty_update_only_moves_the_position(index: SearchIndex) -> None:
    index.update(99, [])
    assert index.seq == 99
    assert (await index.search(JAZZ)).seq == 99


async def test_a_search_waits_for_its_position(index: SearchIndex) -> None:
    waiting = [asyncio.create_task(index.search(JAZZ, min_seq=seq)) for seq in (13, 12, 14)]
    index.update(11, documents(4))
    await turns()
    assert not any(task.done() for task in waiting)
    index.update(12, documents(5))
    assert (await waiting[1]).event_ids == [1, 2, 3, 4, 5]
    assert not waiting[0].done()
    index.update(14, [])
    assert [(await task).seq for task in waiting] == [14, 12, 14]


async def test_a_position_that_does_not_come_is_waited_for_a_while(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "BEHIND_SECONDS_MAX", 0.01)
    hits = await index.search(JAZZ, min_seq=2**62)
    assert (hits.event_ids, hits.seq) == ([1, 2, 3], 10)
    assert not index._waiters
    index.update(11, [])


async def test_one_who_stops_waiting_leaves_nothing_behind(index: SearchIndex) -> None:
    waiting = asyncio.create_task(index.search(JAZZ, min_seq=50))
    await turns()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not index._waiters
    index.update(50, documents(4))
    assert (await index.search(JAZZ)).event_ids == [1, 2, 3, 4]


async def test_an_import_is_found_whole_while_searches_go_on(index: SearchIndex) -> None:
    seq = itertools.count(11)
    for start in range(4, 6_004, 100):
        index.update(next(seq), documents(*range(start, start + 100)))
        if start % 1_000 == 4:
            assert (await index.search(EVERYTHING)).event_ids == list(range(1, 101))
    assert await all_found(index, JAZZ) == list(range(1, 6_004))
    assert index.seq == 70


async def test_the_loop_has_its_turn_while_much_is_handed_over(index: SearchIndex) -> None:
    counted = 0

    async def count() -> None:
        nonlocal counted
        while True:
            counted += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    index.update(11, documents(*range(1_000, 11_000)))
    assert (await index.search(SearchRequest(start_ms=10_999))).event_ids == [10_999]
    counting.cancel()
    assert counted > 10


async def test_updates_during_the_build_are_applied_after_it() -> None:
    index = SearchIndex()

    def arriving() -> Iterator[SearchDocument]:
        yield from documents(*range(1, 301))
        index.update(11, [document(1, "Opera")])
        yield document(301)

    await index.start(arriving(), 10)
    try:
        assert (await index.search(SearchRequest(search="opera"))).event_ids == [1]
        assert await all_found(index, JAZZ) == list(range(2, 302))
        assert index.seq == 11
    finally:
        await index.close()


async def test_a_search_during_the_build_waits_for_it() -> None:
    index = SearchIndex()
    starting = asyncio.create_task(index.start(documents(1), 10))
    hits = await index.search(JAZZ)
    assert (hits.event_ids, hits.seq) == ([1], 10)
    await starting
    await index.close()


@pytest.mark.parametrize("text", ["\ud800", "\0", "((", "x" * 10_000, "東京", "🎸"])
async def test_hostile_text_is_answered(index: SearchIndex, text: str) -> None:
    assert (await index.search(SearchRequest(search=text))).event_ids == []
    assert (await index.search(SearchRequest(name=text, city=text, category=text))).event_ids == []


async def test_numbers_out_of_range_are_brought_into_it(index: SearchIndex) -> None:
    assert (await index.search(SearchRequest(limit=0))).event_ids == [1]
    assert (await index.search(SearchRequest(limit=10**30, start_ms=-(10**30), end_ms=10**30))).event_ids == [1, 2, 3]


async def test_too_many_searches_are_refused(index: SearchIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "WAITING_MAX", 2)
    first = [asyncio.create_task(index.search(JAZZ)) for _ in range(2)]
    await turns(1)
    with pytest.raises(SearchUnavailable, match="too many"):
        await index.search(JAZZ)
    await asyncio.gather(*first)
    assert (await index.search(JAZZ)).event_ids == [1, 2, 3]


async def test_a_process_that_stops_answering_is_not_waited_for(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "ANSWER_SECONDS_MAX", 0.02)
    assert index.process_id is not None
    os.kill(index.process_id, signal.SIGSTOP)
    with pytest.raises(SearchUnavailable, match="too much to do"):
        await index.search(JAZZ)
    os.kill(index.process_id, signal.SIGCONT)
    monkeypatch.undo()
    assert (await index.search(JAZZ)).event_ids == [1, 2, 3]  # and the late answer is not taken for this one's


async def test_a_lost_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "REBUILD_SECONDS", 0.0)
    events = {event_id: document(event_id) for event_id in (1, 2)}
    index = SearchIndex(rebuild=lambda: list(events.values()))
    await index.start(events.values(), 10)
    try:
        assert index.process_id is not None
        os.kill(index.process_id, signal.SIGSTOP)
        under_way = asyncio.create_task(index.search(JAZZ))
        await turns()
        os.kill(index.process_id, signal.SIGKILL)
        with pytest.raises(SearchUnavailable):
            await under_way
        events[3] = document(3)
        index.update(11, [events[3]])
        hits = await index.search(JAZZ)
        assert (hits.event_ids, hits.seq) == ([1, 2, 3], 11)
        index.update(12, documents(4))
        assert (await index.search(JAZZ)).event_ids == [1, 2, 3, 4]
    finally:
        await index.close()


async def test_without_a_way_to_rebuild_a_lost_index_says_so(
    index: SearchIndex,
) -> None:
    assert index.process_id is not None
    os.kill(index.process_id, signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(SearchUnavailable):
            await index.search(JAZZ)
    index.update(11, documents(4))
    assert not index._unsent


@pytest.mark.parametrize(
    ("executable", "message"), [("/bin/false", "its log says why"), ("/nowhere/python", "could not be started")]
)
async def test_a_process_that_cannot_start_is_an_error(
    monkeypatch: pytest.MonkeyPatch, executable: str, message: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    index = SearchIndex()
    with pytest.raises(SearchUnavailable, match=message):
        await index.start(documents(1), 10)
    await index.close()


async def test_documents_that_cannot_be_read_end_the_start() -> None:
    def failing() -> Iterator[SearchDocument]:
        yield document(1)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await SearchIndex().start(failing(), 10)


async def test_close_ends_the_process() -> None:
    index = SearchIndex()
    await index.start(documents(1), 10)
    process_id = index.process_id
    assert process_id is not None
    assert os.getpgid(process_id) == process_id  # Ctrl-C in our terminal is not for it
    os.kill(process_id, signal.SIGSTOP)
    under_way = [asyncio.create_task(index.search(JAZZ, min_seq=seq)) for seq in (0, 99)]
    await turns()
    os.kill(process_id, signal.SIGCONT)
    await index.close()
    for task in under_way:
        with pytest.raises(SearchUnavailable):
            await task
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with pytest.raises(SearchUnavailable):
        await index.search(JAZZ)
    await index.close()


@pytest.fixture
async def index() -> AsyncIterator[SearchIndex]:
    started = SearchIndex()
    await started.start(documents(1, 2, 3), 10)
    yield started
    await started.close()
