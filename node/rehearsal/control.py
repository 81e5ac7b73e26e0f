"""The button: a rehearsal's crowd is started, looked at and sent home.

Owns the process that is the crowd, one at a time. Promises that it ends with its node, however that ends.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from ...effects.sandbox import SandboxProvider
from ...http.gateway import UnavailableError
from ...http.rehearsal import AlreadyOnError, RehearsalView, RehearsalWish
from ..options import NodeOptions
from .plan import Plan, Told

REFRESHERS_ARE_ONE_IN: Final = 20
BEGIN_SECONDS_MAX: Final = 15.0
END_SECONDS_MAX: Final = 5.0


def sample_rehearsal(options: NodeOptions, payment_provider: str, address: Callable[[], str]) -> "Rehearsal | None":
    """None outside the sample mode, and wherever money could move."""
    is_sample = options.sample or options.demo
    return Rehearsal(address) if is_sample and payment_provider == SandboxProvider.name else None


class Rehearsal:
    """The `Rehearsal` port of http/rehearsal.py. `address`: of this node, once it listens."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._told = Told()
        self._plan: Plan | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._beginning = False
        self._begun = asyncio.Event()

    def view(self) -> RehearsalView:
        plan, told = self._plan, self._told
        return RehearsalView(
            running=self._process is not None,
            people=0 if plan is None else plan.people,
            bots=0 if plan is None else plan.bots,
            tickets=0 if plan is None else plan.tickets,
            told=msgspec.to_builtins(told) if plan is not None else {},
        )

    async def start(self, wish: RehearsalWish, token: str) -> None:
        """Comes back once the event is there. Raises AlreadyOnError, or UnavailableError with a sentence."""
        if self._beginning or self._process is not None:
            raise AlreadyOnError("A rehearsal is on already; stop it first, or wait for its end.")
        self._beginning = True
        try:
            await self._start(wish, token)
        finally:
            self._beginning = False

    async def _start(self, wish: RehearsalWish, token: str) -> None:
        self._plan = Plan(
            (self._address(),), token, wish.people, wish.people // REFRESHERS_ARE_ONE_IN, wish.bots, wish.tickets,
            opens_seconds=wish.opens_seconds, arrive_seconds=wish.arrive_seconds, seconds=wish.seconds,
            pace=wish.pace, seed=secrets.randbits(32),
        )  # fmt: skip
        self._told, self._begun = Told(), asyncio.Event()
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onsale.node.rehearsal.crowd",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(self._plan) + b"\n")
        self._listening = asyncio.create_task(self._listen(process))
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_SECONDS_MAX):
                await self._begun.wait()
        if not self._told.event_id:
            fault = self._told.fault or "The crowd did not come: no event could be made for it in time."
            await self.stop()
            raise UnavailableError(fault)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            with suppress(msgspec.MsgspecError):
                self._told = msgspec.json.decode(line, type=Told)
            if self._told.event_id or self._told.over:
                self._begun.set()
        code = await process.wait()
        if not self._told.over:
            self._told.fault = f"The crowd's process ended with exit code {code}; its node's log says why."
            self._told.broken = True
        self._told.over = True
        self._begun.set()
        self._process = None

    async def stop(self) -> None:
        """Everybody goes home, and nothing more is asked. What they hold lapses."""
        process, listening = self._process, self._listening
        if process is None or listening is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait((listening,), timeout=END_SECONDS_MAX)
        if not listening.done():
            with suppress(ProcessLookupError):
                process.kill()
            await listening
