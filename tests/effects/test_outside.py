"""Orders reach a process of their own and come back answered; when it dies, everybody hears of it at once."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from onsale.effects import outside as outside_module
from onsale.effects.orders import CallWebhook, DrawCode, Drawn, Look, NotSent, Sent
from onsale.effects.outside import UNANSWERED_MAX, Outside
from onsale.effects.outside_provider import OutsideProvider
from onsale.effects.provider import Charge, ProviderUnavailable
from onsale.effects.settings import OutsideSettings

# A worker whose handlers do what the order's text says.
WORKER = """
import asyncio, os, sys, time
from onsale.effects import worker
from onsale.effects.orders import Drawn, NotSent, Sent
from onsale.effects.provider import ProviderUnavailable

class Handlers:
    def __init__(self, settings):
        self.settings = settings

    async def do(self, order):
        text = order.code
        if text == "settings":
            return NotSent(self.settings.smtp_url)
        if text == "print":
            print("this must not be in the node's output", flush=True)
            return Sent()
        if text == "down":
            raise ProviderUnavailable("no route", retry_after_seconds=7.5)
        if text == "busy":
            raise ProviderUnavailable("locked", down=False)
        if text == "bug":
            raise KeyError("a bug")
        if text == "nonsense":
            worker.frame = lambda answered: b"\\xff\\xff\\xff\\xff nonsense"
        if text == "unreadable":
            worker.frame = lambda answered: b"\\x01\\x00\\x00\\x00x"
        if text == "exit":
            os._exit(3)
        if text == "block":
            time.sleep(600)
        if text.startswith("file "):
            await asyncio.sleep(0.1)
            open(text[5:], "w").close()
        if text == "never":
            await asyncio.Event().wait()
        if text.startswith("sleep"):
            await asyncio.sleep(float(text[5:]))
        return Drawn(text.encode())

    async def close(self):
        pass

worker.Handlers = Handlers
worker.END_SECONDS_MAX = 0.3
worker.main()
"""

SETTINGS = OutsideSettings(stripe_key="sk_test_secret", smtp_url="smtp://mail.example")


@pytest.fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    script = tmp_path / "scripted_worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(outside_module, "WORKER", (sys.executable, str(script)))
    monkeypatch.setattr(outside_module, "START_GAP_SECONDS", 0.05)
    outside = Outside(SETTINGS)
    yield outside
    await outside.close()


def process_folder(process_id: int | None) -> Path:
    return Path(f"/proc/{process_id}")


def command_line(process_id: int | None) -> bytes:
    return (process_folder(process_id) / "cmdline").read_bytes()


def order(text: str) -> DrawCode:
    return DrawCode(text, "svg")


async def hanging(outside: Outside, number: int = 3) -> list[asyncio.Task[object]]:
    """Orders that are with the process and never come back."""
    asks = [asyncio.create_task(outside.ask(order("never"))) for _ in range(number)]
    assert await outside.ask(order("x")) == Drawn(b"x")
    return asks


async def test_orders_are_answered_each_with_its_own_answer(outside: Outside) -> None:
    assert outside.process_id is None, "it is started when it is needed"
    slow = asyncio.create_task(outside.ask(order("sleep0.2")))
    answers = await asyncio.gather(*(outside.ask(order(f"number {number}")) for number in range(300)))
    assert answers == [Drawn(b"number %d" % number) for number in range(300)]
    assert not slow.done(), "one does not wait for another"
    assert await slow == Drawn(b"sleep0.2")


async def test_it_knows_the_settings_and_nobody_sees_them(outside: Outside) -> None:
    assert await outside.ask(order("settings")) == NotSent("smtp://mail.example")
    assert "secret" not in repr(SETTINGS)
    assert b"scripted_worker.py" in command_line(outside.process_id)
    assert b"secret" not in command_line(outside.process_id)


async def test_what_can_not_be_asked_now_is_raised(outside: Outside) -> None:
    with pytest.raises(ProviderUnavailable, match="no route") as down:
        await outside.ask(order("down"))
    assert (down.value.retry_after_seconds, down.value.down) == (7.5, True)
    with pytest.raises(ProviderUnavailable, match="locked") as busy:
        await outside.ask(order("busy"))
    assert (busy.value.retry_after_seconds, busy.value.down) == (None, False)


async def test_a_fault_in_a_handler_harms_no_other_order(outside: Outside, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ProviderUnavailable, match="KeyError") as fault:
        await outside.ask(order("bug"))
    assert not fault.value.down
    first = outside.process_id
    assert await outside.ask(order("x")) == Drawn(b"x")
    assert outside.process_id == first
    assert await outside.ask(order("print")) == Sent()
    output, log = capfd.readouterr()
    assert not output
    assert "DrawCode went wrong" in log
    assert "must not be in the node's output" in log


async def test_when_the_process_is_killed_everybody_hears_of_it_and_the_next_order_starts_another(
    outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    asks = await hanging(outside)
    first = outside.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*asks, return_exceptions=True)
    assert all(isinstance(result, ProviderUnavailable) and "ended" in str(result) for result in results)
    assert await outside.ask(order("x")) == Drawn(b"x")
    assert outside.process_id not in (None, first)
    assert not process_folder(first).exists(), "it was reaped"
    assert "exit status -9" in caplog.text


async def test_it_is_started_once_a_second_at_most(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside_module, "START_GAP_SECONDS", 0.5)
    with pytest.raises(ProviderUnavailable):
        await outside.ask(order("exit"))
    begun = time.monotonic()
    answers = await asyncio.gather(*(outside.ask(order("x")) for _ in range(20)))
    assert answers == [Drawn(b"x")] * 20
    assert time.monotonic() - begun > 0.2


@pytest.mark.parametrize("text", ["nonsense", "unreadable"])
async def test_a_process_that_talks_nonsense_is_replaced(
    outside: Outside, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    asks = await hanging(outside)
    with pytest.raises(ProviderUnavailable):
        await outside.ask(order(text))
    async with asyncio.timeout(5):
        results = await asyncio.gather(*asks, return_exceptions=True)
    assert all(isinstance(result, ProviderUnavailable) for result in results)
    assert await outside.ask(order("x")) == Drawn(b"x")
    assert "unreadable" in caplog.text


async def test_one_that_says_nothing_at_all_any_more_is_replaced(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert await outside.ask(order("x")) == Drawn(b"x")
    monkeypatch.setattr(outside_module, "ORDER_SECONDS_MAX", 0.3)
    with pytest.raises(ProviderUnavailable, match="did not answer"):
        await outside.ask(order("block"))
    monkeypatch.setattr(outside_module, "ORDER_SECONDS_MAX", 30)
    assert await outside.ask(order("x")) == Drawn(b"x")
    assert "does not answer" in caplog.text


async def test_one_slow_order_is_given_up_alone(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await outside.ask(order("x")) == Drawn(b"x")
    first = outside.process_id
    monkeypatch.setattr(outside_module, "ORDER_SECONDS_MAX", 0.5)
    slow = asyncio.create_task(outside.ask(order("never")))
    while not slow.done():
        assert await outside.ask(order("sleep0.02")) == Drawn(b"sleep0.02")
    with pytest.raises(ProviderUnavailable, match="did not answer"):
        await slow
    assert outside.process_id == first


async def test_only_so_many_orders_are_unanswered(outside: Outside) -> None:
    asks = [asyncio.create_task(outside.ask(order("never"))) for _ in range(UNANSWERED_MAX)]
    waiting = asyncio.create_task(outside.ask(order("x")))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    asks[0].cancel()
    assert await waiting == Drawn(b"x")
    for ask in asks:
        ask.cancel()
    await asyncio.gather(*asks, return_exceptions=True)


async def test_closing_ends_the_process_and_lets_it_finish(outside: Outside, tmp_path: Path) -> None:
    file = tmp_path / "finished"
    asks = await hanging(outside, 1)
    asks.append(asyncio.create_task(outside.ask(order(f"file {file}"))))
    await asyncio.sleep(0)
    process_id = outside.process_id
    await outside.ask(order("x"))
    await outside.close()
    assert file.exists()
    assert not process_folder(process_id).exists()
    for result in await asyncio.gather(*asks, return_exceptions=True):
        assert isinstance(result, ProviderUnavailable)
        assert "stopping" in str(result)
    with pytest.raises(ProviderUnavailable, match="stopping"):
        await outside.ask(order("x"))


async def test_who_stops_waiting_while_it_starts_leaves_no_process_behind(outside: Outside) -> None:
    for turns in range(6):
        ask = asyncio.create_task(outside.ask(order("x")))
        for _ in range(turns):
            await asyncio.sleep(0)
        ask.cancel()
        await asyncio.gather(ask, return_exceptions=True)
    assert await outside.ask(order("x")) == Drawn(b"x")


async def test_closing_without_ever_having_been_asked() -> None:
    await Outside(SETTINGS).close()


NODE = """
import asyncio, sys
from onsale.effects import outside
from onsale.effects.orders import DrawCode
outside.WORKER = (sys.executable, sys.argv[1])

async def main():
    mine = outside.Outside(outside.OutsideSettings())
    await mine.ask(DrawCode("x", "svg"))
    print(mine.process_id, flush=True)
    await mine.ask(DrawCode("never", "svg"))

asyncio.run(main())
"""


async def test_a_node_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    script = tmp_path / "scripted_worker.py"
    script.write_text(WORKER)
    command = [sys.executable, "-c", NODE, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as node:  # noqa: ASYNC220 - takes no time
        assert node.stdout is not None
        worker_id = int(await asyncio.to_thread(node.stdout.readline))
        ended = os.pidfd_open(worker_id)
        node.kill()
    readable, _, _ = await asyncio.to_thread(select.select, [ended], [], [], 10)
    os.close(ended)
    assert readable, "the worker outlived its node"


class Asked:
    """An outside that gives what it is told to."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.orders: list[object] = []

    async def ask(self, order: object) -> object:
        self.orders.append(order)
        return self.answer


CHARGE = Charge("onsale-j-payment-1", "j", 1, 1, 1000, "EUR", "pm_card_visa")


async def test_an_answer_that_does_not_fit_settles_nothing() -> None:
    asked = Asked(Sent())
    with pytest.raises(ProviderUnavailable, match="answered Look with Sent") as unfitting:
        await OutsideProvider(asked).look(CHARGE)  # type: ignore[arg-type]
    assert not unfitting.value.down
    assert asked.orders == [Look(CHARGE)]
    with pytest.raises(ProviderUnavailable, match="answered ListPayments with Sent"):
        await OutsideProvider(asked).payments(5, None)  # type: ignore[arg-type]


async def test_a_webhook_order_survives_the_way_there(outside: Outside) -> None:
    with pytest.raises(ProviderUnavailable, match="no attribute 'code'"):  # it arrived as what it is
        await outside.ask(CallWebhook("https://a.example", "whsec_x", "msg_1", 5, b"\x00\xff"))
