"""Lines for people and for programs, which nobody waits for."""

import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from onsale.node import logs
from onsale.node.logs import AccessLines, set_up

LINE = {"request_id": "r-1", "seq": 7, "route": "/booking", "status": 201, "ms": 0.25, "user": "ada"}


class Log:
    """Access lines to a stream that keeps them."""

    def __init__(self, log_format: str, **options: int) -> None:
        self.stream = io.StringIO()
        self.dropped = 0
        self.lines = AccessLines(log_format, self._drop, stream=self.stream, **options)

    def _drop(self, lines: int) -> None:
        self.dropped += lines

    def written(self) -> list[str]:
        self.lines.close()
        text = self.stream.getvalue()
        assert not text or text.endswith("\n")
        return text.split("\n")[:-1]


def test_a_line_for_programs() -> None:
    log = Log("json")
    before = time.time()
    log.lines.write(LINE)
    (line,) = map(json.loads, log.written())
    assert {name: line[name] for name in LINE} == LINE
    assert (line["level"], line["logger"]) == ("info", "onsale.access")
    assert time.strftime("%Y-%m-%dT%H:", time.gmtime(before)) in line["at"]


def test_a_line_for_people() -> None:
    log = Log("human")
    log.lines.write(LINE)
    (line,) = log.written()
    assert line[8:] == " ACCESS  request_id=r-1 seq=7 route=/booking status=201 ms=0.25 user=ada"


@pytest.mark.parametrize(
    "user", ["two words", "a\nb", "a\r\x1b[2J", 'status=500 "x"', "status=500", "\u2028", "\u202eevil", "né", "a=b"]
)
@pytest.mark.parametrize("log_format", ["human", "json"])
def test_what_a_client_sends_stays_one_word_of_one_line(log_format: str, user: str) -> None:
    log = Log(log_format)
    log.lines.write(LINE | {"user": user})
    (text,) = log.written()
    assert not set(text) & set("\r\x1b")
    if log_format == "json":
        assert json.loads(text)["user"] == user
    else:
        assert text.isprintable()
        assert json.loads(text.partition(" user=")[2]) == user


def test_all_lines_come_in_order_and_the_last_ones_when_it_is_closed() -> None:
    log = Log("json")
    for number in range(5_000):
        log.lines.write(LINE | {"seq": number})
    assert [json.loads(line)["seq"] for line in log.written()] == list(range(5_000))
    assert log.dropped == 0


def test_lines_that_come_while_others_are_written_are_not_lost_at_the_end() -> None:
    class Slow(io.StringIO):
        began, may_end = threading.Event(), threading.Event()

        def write(self, text: str) -> int:
            self.began.set()
            self.may_end.wait(5)
            return super().write(text)

    stream = Slow()
    lines = AccessLines("json", lambda _count: None, stream=stream)
    lines.write(LINE | {"seq": 1})
    assert stream.began.wait(5)
    lines.write(LINE | {"seq": 2})
    closing = threading.Thread(target=lines.close)
    closing.start()
    stream.may_end.set()
    closing.join(5)
    assert [json.loads(line)["seq"] for line in stream.getvalue().splitlines()] == [1, 2]


def test_while_nobody_reads_writing_does_not_wait_and_what_is_too_much_is_counted() -> None:
    reading, writing = os.pipe()
    dropped: list[int] = []
    with os.fdopen(writing, "w") as stream:
        lines = AccessLines("json", dropped.append, stream=stream, lines_max=2_000)
        long = LINE | {"user": "x" * 128}
        slowest = 0.0
        given_up_at = time.monotonic() + 10
        written = 0
        while sum(dropped) < 1_000 and time.monotonic() < given_up_at:  # the pipe is full, then the queue is
            began = time.perf_counter()
            lines.write(long)
            slowest = max(slowest, time.perf_counter() - began)
            written += 1
        assert sum(dropped) >= 1_000
        assert slowest < 0.5
        with os.fdopen(reading) as reader:
            received: list[str] = []
            receiving = threading.Thread(target=lambda: received.extend(reader))
            receiving.start()
            lines.close()
            stream.close()
            receiving.join(5)
    assert len(received) == written - sum(dropped)
    assert all(json.loads(line)["user"] == long["user"] for line in received)


def test_a_stream_that_is_gone_stops_nothing() -> None:
    log = Log("json")
    log.stream.close()
    log.lines.write(LINE)
    log.lines.close()
    assert log.dropped == 1


def test_a_line_that_can_not_be_said_does_not_end_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "GATHERED_SECONDS", 0.0)
    log = Log("json")
    told = threading.Event()
    monkeypatch.setattr(log.lines, "_dropped", lambda _count: told.set())
    log.lines.write(LINE | {"user": "\udcff"})
    assert told.wait(5)
    log.lines.write(LINE)
    assert [json.loads(line)["user"] for line in log.written()] == ["ada"]


def test_it_can_be_written_to_again_after_it_was_closed() -> None:
    log = Log("json")
    for _ in range(2):
        log.lines.write(LINE)
        log.lines.close()
    assert len(log.written()) == 2


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_messages_of_the_process_in_json(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up("json")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", sys.stderr)
    try:
        raise ValueError("what\nwent wrong")
    except ValueError:
        logging.getLogger("onsale.x").exception("Error answering %s", "a\nb")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == ("error", "onsale.x", "Error answering a\nb")
    assert "ValueError: what\nwent wrong" in said["exception"]
