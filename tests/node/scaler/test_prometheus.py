"""What is believed of Prometheus' answers: one number with a time, and nothing else."""

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from onsale.node.scaler.asking import BODY_BYTES_MAX, make_session
from onsale.node.scaler.decision import Reading
from onsale.node.scaler.prometheus import Prometheus
from onsale.node.scaler.rules import PrometheusServer
from onsale.tests.node.scaler.answering import Answering

NOW = 1000.0


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with make_session() as made:
        yield made


async def read(session: aiohttp.ClientSession, url: str, *, seconds: float = 5.0, token: Path | None = None) -> Reading:
    server = PrometheusServer(url, seconds, token, None)
    return await Prometheus(session, server, lambda: NOW).read("load")


def success(kind: str, result: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def vector(*values: Any) -> str:
    return success("vector", [{"metric": {}, "value": value} for value in values])


@pytest.mark.parametrize(
    ("answer", "value", "at"),
    [
        (vector([990.5, "12.5"]), 12.5, 990.5),
        (vector([990, "1e3"]), 1000.0, 990.0),
        (success("scalar", [990.5, "3"]), 3.0, 990.5),
        (vector([990.5, "+Inf"]), math.inf, 990.5),
        (vector([990.5, "-Inf"]), -math.inf, 990.5),
        (vector([990.5, "NaN"]), math.nan, 990.5),
    ],
)
async def test_a_number_and_its_time(session: aiohttp.ClientSession, answer: str, value: float, at: float) -> None:
    """What is no finite number is for the decision to judge: rules may say what NaN means."""
    async with Answering() as server:
        server.answer = answer
        reading = await read(session, server.url)
    assert reading.at == at
    assert reading.value == pytest.approx(value, nan_ok=True)
    assert not reading.trouble


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (vector(), "no such series now: nothing is scraped, or the query is wrong"),
        (vector([990, "1"], [990, "2"], [990, "3"]), "gives 3 series, not one; aggregate them: sum(…), max(…)"),
        (success("matrix", []), "gives a matrix, not a number"),
        (success("string", [990, "12"]), "gives a string, not a number"),
        (vector([990, "twelve"]), "answers 'twelve', which is no number"),
        (vector([990, 12]), "in a way that is not its own"),
        (vector(["990", "12"]), "in a way that is not its own"),
        (vector([10**400, "12"]), "in a way that is not its own"),
        (vector([990]), "in a way that is not its own"),
        (vector(None), "in a way that is not its own"),
        (success("vector", [[990, "12"]]), "in a way that is not its own"),
        (success("vector", {"value": [990, "12"]}), "not a number"),
        (success("scalar", None), "in a way that is not its own"),
        ('{"status": "success"}', "gives a None, not a number"),
        (
            (400, '{"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}'),
            "Prometheus refuses the query (status 400): parse error at char 3",
        ),
        ((503, '{"status": "error", "error": "' + "x" * 500 + '"}'), "(status 503): " + "x" * 200 + "…"),
        ((502, "<html>Bad Gateway</html>"), "(status 502) is not Prometheus"),
        ("", "(status 200) is not Prometheus"),
        ("null", "is not Prometheus"),
        ("[" * 100_000, "is not Prometheus"),
        (b'{"status": "\xff\xfe"}', "is not Prometheus"),
        (b"x" * (BODY_BYTES_MAX + 1), "answers with more than 16 MiB"),
    ],
)
async def test_anything_else_is_no_reading_and_says_why(
    session: aiohttp.ClientSession, answer: str | tuple[int, str], words: str
) -> None:
    async with Answering() as server:
        server.answer = answer
        reading = await read(session, server.url)
    assert (reading.value, reading.at) == (None, NOW)
    assert words in reading.trouble


async def test_nobody_is_there(session: aiohttp.ClientSession) -> None:
    async with Answering() as server:
        url = server.url
    reading = await read(session, url)
    assert reading.value is None
    assert reading.trouble.startswith(f"{url}/api/v1/query can't be asked: Connect call failed")


async def test_an_answer_that_does_not_come_in_time_is_none(session: aiohttp.ClientSession) -> None:
    async with Answering() as server:
        server.answer = None
        reading = await read(session, server.url, seconds=0.05)
        assert server.asked[0].query == {"query": "load", "timeout": "0.05s"}
    assert reading.value is None
    assert "did not answer within 0.05 s" in reading.trouble


async def test_it_shows_its_token(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    token = tmp_path / "token"
    async with Answering() as server:
        server.answer = vector([990, "1"])
        token.write_text("secret\n")
        assert (await read(session, server.url, token=token)).value == 1.0
        assert server.asked[0].headers["Authorization"] == "Bearer secret"
        for content, words in (
            (None, "can't be read: No such file"),
            (b"\xff\xfe", "one line of ASCII"),
            (b"a\nb", "one line"),
        ):
            token.unlink(missing_ok=True)
            if content is not None:
                token.write_bytes(content)
            reading = await read(session, server.url, token=token)
            assert reading.value is None
            assert str(token) in reading.trouble
            assert words in reading.trouble
        assert len(server.asked) == 1
