"""Whom a new replica follows."""

import pytest

from onsale.node.scaler.members import Member, choose_sources
from onsale.node.scaler.ports import CannotDo


def member(name: str, role: str = "standby", state: str = "following", replication: str | None = None) -> Member:
    return Member(name, role, state, f"http://{name}", f"{name}:7400" if replication is None else replication)


PRIMARY = member("p", "primary", "serving")


def test_those_that_feed_fewest_come_first_and_the_primary_never() -> None:
    members = [PRIMARY, member("a"), member("b"), member("c", "replica")]
    fed = ["a:7400", "a:7400", "c:7400"]
    assert choose_sources(members, fed, [], 9) == ["b:7400", "c:7400", "a:7400"]


def test_ours_those_that_are_behind_and_those_without_an_address_feed_nobody() -> None:
    members = [
        member("scaled-1", "replica"),
        member("b", state="catching_up"),
        member("c", replication=""),
        member("d"),
    ]
    assert choose_sources(members, [], ["scaled-1"], 9) == ["d:7400"]


def test_the_primary_feeds_a_few_where_there_is_nobody_else() -> None:
    assert choose_sources([PRIMARY], ["p:7400"], [], 2) == ["p:7400"]
    with pytest.raises(CannotDo, match=r"the primary feeds 2 already, which is `primary_feeds_most`[.] Add a standby"):
        choose_sources([PRIMARY], ["p:7400", "p:7400"], [], 2)


def test_nobody_to_follow() -> None:
    with pytest.raises(CannotDo, match=r"There is no node to follow.*Give one a --replication"):
        choose_sources([member("p", "primary", "serving", "")], [], [], 2)
