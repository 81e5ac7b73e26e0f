"""One round of asking for an epoch: who is asked, when it is decided, and that it is said once."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.replicas.campaign import Campaign, Lost, Won
from onsale.replicas.frames import AskPromise, NodeStatus, Promise, Voter

EPOCH = 5
NAMES = ("a", "b", "c", "d")


def status(name: str, *, promised_epoch: int = EPOCH, leader: str = "", leader_epoch: int = 0) -> NodeStatus:
    return NodeStatus(
        name, name.encode(), True, "standby", b"j", 4, promised_epoch, "me", 9, b"h", 9, 9, leader, leader_epoch, 1, []
    )


def yes(name: str) -> Promise:
    return Promise(1, True, "", status(name))


def no(name: str, **said: Any) -> Promise:
    return Promise(1, False, "it has promised epoch 7, led by x", status(name, **said))


class Round:
    """A campaign, and who answers when the test says."""

    def __init__(self, names: Sequence[str], needed: int, *, hear_all: bool = False) -> None:
        self.asked: dict[str, Callable[[Promise | None], None]] = {}
        self.questions: list[tuple[str, AskPromise, float]] = []
        self.outcomes: list[Won | Lost] = []
        self.campaign = Campaign(
            self,  # type: ignore[arg-type]
            epoch=EPOCH,
            node_name="me",
            replication="me:7400",
            others=[Voter(name, f"{name}:7400") for name in names],
            needed=needed,
            hear_all=hear_all,
            timeout_seconds=0.4,
            done=self.outcomes.append,
        )

    def ask(
        self, address: str, question: AskPromise, timeout_seconds: float, done: Callable[[Promise | None], None]
    ) -> None:
        self.questions.append((address, question, timeout_seconds))
        self.asked[address.partition(":")[0]] = done

    def hear(self, **answers: Promise | None) -> None:
        for name, answer in answers.items():
            self.asked.pop(name)(answer)

    @property
    def granted(self) -> list[str]:
        (outcome,) = self.outcomes
        assert isinstance(outcome, Won)
        return [each.name for each in outcome.granted]

    @property
    def lost(self) -> Lost:
        (outcome,) = self.outcomes
        assert isinstance(outcome, Lost)
        return outcome


def test_everyone_else_is_asked_for_the_epoch() -> None:
    asking = Round("ab", 1)
    question = AskPromise(0, EPOCH, "me", "me:7400")
    assert asking.questions == [("a:7400", question, 0.4), ("b:7400", question, 0.4)]
    assert not asking.outcomes


def test_it_is_won_with_the_last_promise_it_needs() -> None:
    asking = Round("abc", 2)
    asking.hear(a=yes("a"))
    assert not asking.outcomes
    asking.hear(c=yes("c"))
    assert asking.granted == ["a", "c"]
    asking.hear(b=no("b"))
    assert len(asking.outcomes) == 1


def test_one_that_needs_nobody_is_won_at_once() -> None:
    assert Round("", 0).granted == []
    assert Round("ab", 0).granted == []


def test_it_is_lost_as_soon_as_it_can_not_be_won() -> None:
    asking = Round("abc", 2)
    asking.hear(a=no("a", promised_epoch=7))
    assert not asking.outcomes
    asking.hear(b=None)
    lost = asking.lost
    assert lost.epoch == 7
    assert lost.sentences == ("a refuses: it has promised epoch 7, led by x",)
    assert lost.unreachable == ("b",)
    assert [each.name for each in lost.answered] == ["a"]


def test_more_than_there_are_can_not_be_won() -> None:
    assert Round("a", 2).lost.sentences == ()


def test_the_answer_of_another_node_counts_for_nobody() -> None:
    """Somebody else listens at that address by now."""
    asking = Round("ab", 1)
    asking.hear(a=yes("b"), b=yes("a"))
    assert asking.lost.unreachable == ("a", "b")


def test_the_highest_epoch_that_was_heard_of_is_told() -> None:
    asking = Round("ab", 2)
    asking.hear(a=no("a", promised_epoch=6, leader="x", leader_epoch=8))
    assert asking.lost.epoch == 8


def test_where_somebody_leads_by_the_latest_word() -> None:
    voters = [Voter(name, f"{name}:7400") for name in (*NAMES, "me")]
    asking = Round("abcd", 4, hear_all=True)
    asking.hear(a=no("a", leader="b", leader_epoch=6))
    assert asking.lost.leader(voters, without="me") == "b:7400"
    asking = Round("abc", 4)
    assert asking.lost.leader(voters, without="me") == ""
    answered = (status("a", leader="b", leader_epoch=6), status("b", leader="c", leader_epoch=7))
    lost = Lost(7, (), (), (*answered, status("c", leader="me", leader_epoch=9)))
    assert lost.leader(voters, without="me") == "c:7400"
    assert lost.leader(voters[:2], without="me") == "", "nobody knows where that one is"


# --- where nobody may refuse


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_all_are_heard_before_it_is_won(order: tuple[str, ...]) -> None:
    asking = Round("abc", 1, hear_all=True)
    for name in order:
        assert not asking.outcomes
        asking.hear(**{name: yes(name)})
    assert sorted(asking.granted) == ["a", "b", "c"]


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_one_refusal_is_enough_to_lose(order: tuple[str, ...]) -> None:
    asking = Round("abc", 0, hear_all=True)
    for name in order:
        asking.hear(**{name: no(name) if name == "b" else yes(name)})
        if name == "b":
            break
        assert not asking.outcomes
    assert asking.lost.sentences == ("b refuses: it has promised epoch 7, led by x",)


def test_those_who_do_not_answer_do_not_refuse() -> None:
    asking = Round("abc", 1, hear_all=True)
    asking.hear(a=None, b=yes("b"))
    assert not asking.outcomes
    asking.hear(c=None)
    assert asking.granted == ["b"]


def test_too_few_are_there() -> None:
    asking = Round("abc", 1, hear_all=True)
    asking.hear(a=None, b=None)
    assert not asking.outcomes
    asking.hear(c=None)
    assert asking.lost.unreachable == ("a", "b", "c")


# --- whatever comes


def test_a_cancelled_one_says_nothing() -> None:
    asking = Round("ab", 1)
    asking.campaign.cancel()
    asking.hear(a=yes("a"), b=no("b"))
    assert not asking.outcomes


@given(
    st.permutations(NAMES),
    st.lists(st.sampled_from(["yes", "no", "silent", "stranger"]), min_size=4, max_size=4),
    st.integers(0, 4),
    st.booleans(),
)
def test_it_is_decided_once_and_rightly(order: list[str], answers: list[str], needed: int, hear_all: bool) -> None:
    asking = Round(NAMES, needed, hear_all=hear_all)
    kinds = {"yes": yes, "no": no, "silent": lambda _name: None, "stranger": lambda _name: yes("stranger")}
    said = dict(zip(order, answers, strict=True))
    for name in order:
        asking.hear(**{name: kinds[said[name]](name)})
    (outcome,) = asking.outcomes
    enough = answers.count("yes") >= needed
    assert isinstance(outcome, Won) == (enough and not (hear_all and "no" in answers))
    if isinstance(outcome, Won):
        assert len(outcome.granted) >= needed
        assert {each.name for each in outcome.granted} <= {name for name in order if said[name] == "yes"}
