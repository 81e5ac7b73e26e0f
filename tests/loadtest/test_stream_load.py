"""Streams on a replica, measured: a few of them, against real nodes."""

from click.testing import CliRunner

from onsale.loadtest import stream_load


def test_everybody_sees_every_change() -> None:
    told = CliRunner().invoke(stream_load.main, ["--people", "20", "--changes", "4"])
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert "notices: 20 streams opened" in lines[0]
    assert "everybody is told" in lines[3]
    assert "one seat map: 20 streams opened" in lines[4]


def test_delays_are_told_by_their_spread() -> None:
    assert stream_load.spread([0.001, 0.002, -1.0]) == "median 1.0 ms, p99 2.0 ms, longest 2.0 ms"
