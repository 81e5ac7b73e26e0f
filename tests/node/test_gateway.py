"""Who decides commands here, and which position reads show."""

from types import SimpleNamespace
from typing import Any

import pytest

from onsale.engine.codes import Code
from onsale.engine.commands import StartPayment
from onsale.engine.replies import Paid, Reply
from onsale.node.gateway import NodeGateway

PAID = Paid(2, 7, 3, 1, "Standing", 1, 1_000, "EUR")


class Anything:
    """A part that is not asked here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: name


class Setting:
    """A gateway over a loop that says what it is told to, and timers that ring by hand."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(payments=SimpleNamespace(rows={}), seq=4, at_ms=1_000)
        self.says: Reply = PAID
        parts: dict[str, Any] = dict.fromkeys(
            (
                "search",
                "history",
                "feed",
                "journal",
                "receipts",
                "tickets",
                "positions",
                "forwarder",
                "outside",
                "news",
                "effects",
            )
        )
        parts["history"], parts["feed"] = Anything(), Anything()
        parts["positions"] = self.positions = SimpleNamespace(seq=3)
        self.changes = 0  # of who leads, as those are told who wait for that
        parts["forwarder"] = SimpleNamespace(primary_changed=self.primary_changed)
        self.member = SimpleNamespace(leading=self)
        self.durable = SimpleNamespace(seq=5)
        self.gateway = NodeGateway(
            self.state,  # type: ignore[arg-type]
            **parts,
            call_later=lambda *_arguments: None,
            provider_name="test",
            hold_ms=1_000,
            member=lambda: self.member,  # type: ignore[arg-type, return-value]
        )
        self.gateway.lead(self)  # type: ignore[arg-type]
        self.untold: list[Any] | None = None  # a list: decided, and not durable yet

    def submit(self, _command: Any, _key: Any, done: Any) -> None:
        says = self.says
        if self.untold is None:
            done(says, False)
        else:
            self.untold.append(lambda: done(says, False))

    def primary_changed(self) -> None:
        self.changes += 1

    def when_durable(self, done: Any) -> None:
        done(5)

    def now_ms(self) -> int:
        return 2_000


def test_a_node_that_leads_decides_with_its_loop() -> None:
    setting = Setting()
    setting.says = PAID
    answers: list[Reply] = []
    gateway = setting.gateway
    gateway.submit_hot(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert answers == [PAID]
    assert (gateway.leads, gateway.durable_seq, gateway.now_ms()) == (True, 5, 2_000)
    assert setting.changes == 1, "calls that waited for a primary are decided here"


@pytest.mark.parametrize("call", ["submit", "submit_hot"])
def test_a_node_that_pauses_or_follows_decides_nothing(call: str) -> None:
    setting = Setting()
    gateway = setting.gateway
    gateway.pause()
    answers: list[Any] = []
    getattr(gateway, call)(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert [answer.code for answer in answers] == [Code.NO_PRIMARY]
    assert not gateway.leads
    assert gateway.durable_seq == 3, "what it has applied, not what its loop once said"
    assert gateway.now_ms() == setting.state.at_ms


def test_a_node_that_leads_again_decides_with_the_new_loop() -> None:
    setting, other = Setting(), Setting()
    setting.gateway.pause()
    other.says = PAID
    setting.gateway.lead(other)  # type: ignore[arg-type]
    answers: list[Reply] = []
    setting.gateway.submit(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert answers == [PAID]


def test_reads_wait_for_what_they_show_only_where_it_may_not_be_committed() -> None:
    setting = Setting()
    positions: list[int | None] = []
    setting.gateway.when_durable(positions.append)
    setting.member.leading = None  # it follows: its state holds nothing that is not
    setting.gateway.when_durable(positions.append)
    assert positions == [5, 4]
