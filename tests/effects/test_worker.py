"""The worker gives each order to whom it is for, makes them when first needed, and answers whatever happens."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import msgspec
import pytest

from onsale.effects import worker as worker_module
from onsale.effects.frames import Answered, Asked, FrameReader, frame
from onsale.effects.orders import (
    Answer,
    Begin,
    CallWebhook,
    Cancel,
    Confirm,
    DrawCode,
    Drawn,
    GiveBack,
    ListPayments,
    ListRefunds,
    Look,
    LookAtRefund,
    Mail,
    NotSent,
    Order,
    Sent,
    Unavailable,
)
from onsale.effects.provider import CANCELED, Charge, PaymentPage, ProviderUnavailable, RefundOrder, RefundPage
from onsale.effects.provider import RefundResult as Result
from onsale.effects.settings import OutsideSettings
from onsale.effects.worker import serve
from onsale.engine.commands import PaymentPendingOutcome, PaymentPreparedOutcome, PaymentSucceededOutcome

CHARGE = Charge("onsale-j-payment-1", "j", 1, 2, 1000, "EUR", "pm_card_visa", "pi_1", "Booking 2")
REFUND = RefundOrder("onsale-j-refund-1", "j", 1, 2, 1, "pi_1", 1000, "EUR", "re_1")
MAIL = Mail("m", "ada@example.org", None, "confirmed", "It is yours.", "Concert", "", "2030-01-01T00:00:00Z", 2, "")
CALL = CallWebhook("https://a.example", "whsec_x", "msg_1", 5, b"{}")
SETTINGS = OutsideSettings(stripe_key="sk", stripe_base="http://stripe", allow_private_webhooks=True)


class Fakes:
    """Stand in the place of those who talk to the outside."""

    def __init__(self) -> None:
        self.made: list[object] = []
        self.asked: list[object] = []
        self.called = asyncio.Event()  # a webhook is
        self.closed: list[str] = []
        self.says: Answer = Sent()
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, *asked: object) -> Any:
        self.asked.append(asked)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.says

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fakes = self

        class StripeProvider:
            def __init__(self, key: str, base: str) -> None:
                fakes.made.append(("stripe", key, base))

            def __getattr__(self, name: str) -> Any:
                return lambda *arguments: fakes.answer(name, *arguments)

        class MailSender:
            def __init__(self, settings: OutsideSettings) -> None:
                fakes.made.append(("mail", settings))

            async def send(self, mail: Mail) -> Any:
                return await fakes.answer("send", mail)

            async def close(self) -> None:
                fakes.closed.append("mail")

        class WebhookSender:
            def __init__(self, *, allow_private: bool) -> None:
                fakes.made.append(("webhooks", allow_private))

            async def call(self, order: CallWebhook) -> Any:
                fakes.called.set()
                return await fakes.answer("call", order)

            async def close(self) -> None:
                fakes.closed.append("webhooks")

        package = worker_module.__name__.rpartition(".")[0]
        for name, members in (
            ("stripe.provider", {"StripeProvider": StripeProvider}),
            ("mail.sender", {"MailSender": MailSender}),
            ("mail.qr", {"draw": lambda code, form: f"{form}:{code}".encode()}),
            ("webhooks.sender", {"WebhookSender": WebhookSender}),
        ):
            parent = f"{package}.{name.partition('.')[0]}"
            module = ModuleType(f"{package}.{name}")
            for key, value in members.items():
                setattr(module, key, value)
            monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent, ModuleType(parent)))
            monkeypatch.setitem(sys.modules, module.__name__, module)


class Node:
    """The other end of the worker's socket."""

    def __init__(self) -> None:
        self.socket, there = socket.socketpair()
        self.socket.setblocking(False)
        self.worker = asyncio.create_task(serve(there))
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._answers: list[Answered] = []

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, data)

    async def receive(self) -> Answered:
        async with asyncio.timeout(5):
            while not self._answers:
                data = await self._loop.sock_recv(self.socket, 100_000)
                assert data, "it hung up"
                self._answers += [msgspec.msgpack.decode(each, type=Answered) for each in self._reader.feed(data)]
        return self._answers.pop(0)

    async def ask(self, order: Order, number: int = 1) -> Answer:
        await self.send(frame(Asked(number, order)))
        answered = await self.receive()
        assert answered.number == number
        return answered.answer

    async def hang_up(self) -> None:
        self.socket.close()
        async with asyncio.timeout(5):
            await self.worker


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    fakes = Fakes()
    fakes.install(monkeypatch)
    return fakes


@pytest.fixture
async def node(fakes: Fakes) -> AsyncIterator[Node]:
    node = Node()
    await node.send(frame(SETTINGS))
    yield node
    await node.hang_up()


@pytest.mark.parametrize(
    ("order", "asked", "answer"),
    [
        (Begin(CHARGE), ("begin", CHARGE), PaymentPreparedOutcome("pi_1", "secret")),
        (Confirm(CHARGE), ("confirm", CHARGE), PaymentSucceededOutcome("pi_1")),
        (Look(CHARGE), ("look", CHARGE), PaymentPendingOutcome(True, "secret", "pi_1")),
        (Cancel(CHARGE), ("cancel", CHARGE), CANCELED),
        (GiveBack(REFUND), ("refund", REFUND), Result("re_1", pending=True)),
        (LookAtRefund(REFUND), ("look_at_refund", REFUND), Result("re_1", "closed")),
        (ListPayments(5, "after"), ("payments", 5, "after"), PaymentPage((), "next")),
        (ListRefunds(5, None), ("refunds", 5, None), RefundPage((), None)),
        (MAIL, ("send", MAIL), NotSent("no such mailbox", for_good=True)),
        (CALL, ("call", CALL), NotSent("410", for_good=True, gone=True)),
    ],
)
async def test_an_order_reaches_whom_it_is_for(
    node: Node, fakes: Fakes, order: Order, asked: object, answer: Answer
) -> None:
    assert not fakes.made
    fakes.says = answer
    assert await node.ask(order) == answer
    assert await node.ask(order, 2) == answer
    assert fakes.asked == [asked, asked]
    assert len(fakes.made) == 1, "made when first needed, and once"
    assert fakes.made[0] in [("stripe", "sk", "http://stripe"), ("mail", SETTINGS), ("webhooks", True)]


async def test_a_picture_is_drawn(node: Node) -> None:
    assert await node.ask(DrawCode("code", "svg")) == Drawn(b"svg:code")


async def test_what_goes_wrong_is_answered_and_the_rest_goes_on(
    node: Node, fakes: Fakes, caplog: pytest.LogCaptureFixture
) -> None:
    fakes.fault = ProviderUnavailable("too many requests", retry_after_seconds=3, down=True)
    assert await node.ask(Begin(CHARGE)) == Unavailable("too many requests", 3, down=True)
    fakes.fault = ZeroDivisionError("a bug")
    assert await node.ask(Begin(CHARGE)) == Unavailable("ZeroDivisionError: a bug", down=False)
    assert "Begin went wrong" in caplog.text
    fakes.fault = None
    assert await node.ask(MAIL) == Sent()


async def test_frames_may_come_in_pieces_and_answers_out_of_order(node: Node, fakes: Fakes) -> None:
    fakes.gate.clear()
    for byte in frame(Asked(1, MAIL)):
        await node.send(bytes([byte]))
    await node.send(frame(Asked(2, DrawCode("a", "png"))) + frame(Asked(3, DrawCode("b", "png"))))
    assert [(await node.receive()).number for _ in range(2)] == [2, 3]
    fakes.gate.set()
    assert await node.receive() == Answered(1, Sent())


async def test_what_is_under_way_when_the_node_goes_is_finished_and_connections_are_closed(
    node: Node, fakes: Fakes
) -> None:
    assert await node.ask(MAIL) == Sent()
    fakes.gate.clear()
    await node.send(frame(Asked(2, CALL)))
    await fakes.called.wait()
    node.socket.close()
    await asyncio.sleep(0.05)
    assert not node.worker.done()
    fakes.gate.set()
    async with asyncio.timeout(5):
        await node.worker
    assert sorted(fakes.closed) == ["mail", "webhooks"]


async def test_what_does_not_end_is_left(node: Node, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "END_SECONDS_MAX", 0.1)
    fakes.gate.clear()
    await node.send(frame(Asked(2, CALL)))
    await fakes.called.wait()
    await node.hang_up()
    assert fakes.closed == ["webhooks"]
    fakes.gate.set()


@pytest.mark.parametrize("nonsense", [b"\xff\xff\xff\xff", b"\x01\x00\x00\x00\xc1"])
async def test_nonsense_ends_it(node: Node, nonsense: bytes, caplog: pytest.LogCaptureFixture) -> None:
    await node.send(nonsense)
    async with asyncio.timeout(5):
        await node.worker
    assert "unreadable" in caplog.text
