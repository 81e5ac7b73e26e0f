"""What is written of refused connections, and how much of it at most."""

import pytest

from onsale.replicas.refusals import LINES_MAX, PERIOD_SECONDS, SENTENCE_CHARACTERS_MAX, RefusalLog


class Log:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 0.0
        self.refusals = RefusalLog(lambda: self.now)
        self._caplog = caplog

    @property
    def lines(self) -> list[str]:
        assert all(record.levelname == "WARNING" for record in self._caplog.records)
        return [record.getMessage() for record in self._caplog.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


def test_a_refusal_is_one_line_with_peer_and_reason(log: Log):
    log.refusals.note("10.0.0.7:40001", "it speaks HTTP")
    assert log.lines == ["Replication with 10.0.0.7:40001 refused: it speaks HTTP."]


def test_the_same_host_is_not_said_twice_for_the_same_reason(log: Log):
    for port in range(1000):
        log.refusals.note(f"10.0.0.7:{port}", "it speaks HTTP")
    log.refusals.note("10.0.0.7:1", "it speaks TLS")
    log.refusals.note("10.0.0.8:1", "it speaks HTTP")
    assert len(log.lines) == 3


def test_a_scanner_does_not_fill_the_log(log: Log):
    for second in range(100):
        log.now = float(second)
        for number in range(100):
            log.refusals.note(f"10.0.{second}.{number}:1", f"a frame of {number} bytes")
    periods = 100 / PERIOD_SECONDS
    assert len(log.lines) <= periods * (LINES_MAX + 1)


def test_what_was_left_out_is_counted_later(log: Log):
    for _ in range(5):
        log.refusals.note("10.0.0.7:1", "it speaks HTTP")
    log.now = PERIOD_SECONDS
    log.refusals.note("10.0.0.7:1", "it speaks HTTP")
    assert log.lines[1:] == [
        "4 more replication connections were refused meanwhile.",
        "Replication with 10.0.0.7:1 refused: it speaks HTTP.",
    ]


def test_a_stranger_can_not_forge_a_line_or_write_without_end(log: Log):
    log.refusals.note("10.0.0.7:1", "refused\n12:00:00 ERROR all is lost \x1b[2J" + "x" * 10_000)
    [line] = log.lines
    assert line.isprintable()
    assert len(line) < SENTENCE_CHARACTERS_MAX + 100
