"""Asking the other voters for an epoch, so that one node alone can lead in it.

Owns one round of questions and its count. Promises that `done` is called once: with enough promises, or with why not.
Which number of promises is enough is said in failover.py; what a node promises it keeps (promise.py).
"""

from collections.abc import Callable, Sequence

import msgspec

from .frames import AskPromise, Frame, NodeStatus, Promise, Voter
from .peers import Peers


class Won(msgspec.Struct, frozen=True):
    """`granted`: who promised, without the candidate itself."""

    granted: tuple[NodeStatus, ...]


class Lost(msgspec.Struct, frozen=True):
    """`epoch`: the highest one that was heard of; `sentences`: what those said who refused."""

    epoch: int
    sentences: tuple[str, ...]
    unreachable: tuple[str, ...]
    answered: tuple[NodeStatus, ...]

    def leader(self, voters: Sequence[Voter], *, without: str) -> str:
        """Where somebody leads, going by those who answered; empty: they know of nobody."""
        following = [status for status in self.answered if status.leader and status.leader != without]
        latest = max(following, key=lambda status: status.leader_epoch, default=None)
        return next((voter.replication for voter in voters if latest is not None and voter.name == latest.leader), "")


class Campaign:
    def __init__(
        self,
        peers: Peers,
        *,
        epoch: int,
        node_name: str,
        replication: str,
        others: Sequence[Voter],
        needed: int,
        hear_all: bool,
        must_include: str = "",
        resumes: bool = False,
        is_passed_over: Callable[[NodeStatus], bool] = lambda _status: False,
        timeout_seconds: float,
        done: Callable[[Won | Lost], None],
    ) -> None:
        """`needed`: promises of others; `replication`: where the candidate is reached.

        `hear_all`: nobody may refuse, and all are waited for; so does a node that was the last to lead ask, which is
        missing nothing but may have been succeeded. `must_include`: whose promise is needed in any case.
        `is_passed_over`: whose promise does not count, for the candidate lacks what that one has: where enough others
        promise, nothing of it was answered.
        """
        self.epoch = epoch
        self._needed = needed
        self._hear_all = hear_all
        self._must_include = must_include
        self._is_passed_over = is_passed_over
        self._node_name = node_name
        self._awaited = {voter.name for voter in others}
        self._unreachable: list[str] = []
        self._granted: dict[str, NodeStatus] = {}
        self._answered_by: list[NodeStatus] = []
        self._refusals: list[str] = []
        self._highest = epoch
        self._done: Callable[[Won | Lost], None] | None = done
        question = AskPromise(0, epoch, node_name, replication, resumes=resumes)
        for voter in others:
            peers.ask(voter.replication, question, timeout_seconds, self._answered(voter.name))
        self._decide()

    def cancel(self) -> None:
        """Nobody waits for the outcome any more."""
        self._done = None

    def _answered(self, name: str) -> Callable[[Frame | None], None]:
        def answered(reply: Frame | None) -> None:
            self._awaited.discard(name)
            if not isinstance(reply, Promise) or reply.status.name != name:
                self._unreachable.append(name)
            else:
                self._answered_by.append(reply.status)
                self._highest = max(self._highest, reply.status.promised_epoch, reply.status.leader_epoch)
                if reply.granted and self._is_passed_over(reply.status):
                    self._refusals.append(f"{name} has more than {self._node_name}")
                elif reply.granted:
                    self._granted[name] = reply.status
                else:
                    self._refusals.append(f"{name} refuses: {reply.sentence}")
            self._decide()

        return answered

    def _decide(self) -> None:
        granted, included = self._granted, self._must_include
        enough = len(granted) >= self._needed and (not included or included in granted)
        out_of_reach = len(granted) + len(self._awaited) < self._needed or (
            bool(included) and included not in granted and included not in self._awaited
        )
        if self._hear_all:
            if self._refusals or (out_of_reach and not self._awaited):
                self._end(won=False)
            elif enough and not self._awaited:
                self._end(won=True)
        elif enough:
            self._end(won=True)
        elif out_of_reach:
            self._end(won=False)

    def _end(self, *, won: bool) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        if won:
            done(Won(tuple(self._granted.values())))
        else:
            done(Lost(self._highest, tuple(self._refusals), tuple(self._unreachable), tuple(self._answered_by)))
