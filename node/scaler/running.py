"""`onsale scaler`: from rules to a scaler that runs, and to an exit code.

Owns how the parts are put together, what is made of an earlier life's state, the signals, and what is said at first.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

import aiohttp
import msgspec
import orjson

from ...journal.disk import lock_folder
from ...journal.errors import FolderLocked
from ..exit_codes import ExitCode
from .asking import NotAnswered, ask, make_session
from .decision import Hold, Memory
from .dry_run import DryRun, NobodyInFront, imagined
from .fleet import Fleet, Probe
from .haproxy import Haproxy
from .hooks import BalancerHooks, Hooks
from .members import Members, choose_sources
from .nginx import Nginx
from .ports import Balancer, CannotDo, Driver, Replica
from .processes import Processes
from .readings import SECOND_LOOK_SECONDS, Readings
from .reminders import Reminders
from .rules import Balancer as InFront
from .rules import (
    DryDriver,
    HaproxyBalancer,
    HookBalancer,
    HookDriver,
    NginxBalancer,
    Plan,
    Rules,
)
from .scaler import Scaler
from .state_file import Process, State, StateFile
from .targets import Announced

log = logging.getLogger("onsale.scaler")


class CannotBegin(Exception):
    """The scaler can't start. The text says why and what to do."""


async def scale(rules: Rules, *, once: bool, dry_run: bool) -> int:
    """Until a signal; with `once`, one decision, and until it has come about. Raises CannotBegin."""
    file = StateFile(rules.state)
    async with AsyncExitStack() as stack:
        if not dry_run:
            try:
                stack.enter_context(lock_folder(rules.state))
            except FolderLocked as error:
                raise CannotBegin(f"Another scaler works with {rules.state}: {error} One is enough.") from error
            except OSError as error:
                raise CannotBegin(f"{rules.state} (`state`) can't be used: {error.strerror}.") from error
        session = await stack.enter_async_context(make_session())
        state, begun = known_state(file, rules.plan, time.time(), changes=not dry_run)

        def save() -> None:
            if not dry_run:
                file.save(state)

        readings = Readings(rules, session, again_seconds=_again_seconds(rules))
        driver = await begin(rules, state, save, session, begun=begun, dry_run=dry_run)
        balancer = NobodyInFront() if isinstance(driver, DryRun) else make_balancer(rules)
        reminders = Reminders(rules.remind_seconds, time.time)
        fleet = Fleet(
            state, save, driver, balancer, make_probe(rules, session), reminders, time.time,
            join_seconds=rules.join_seconds,
        )  # fmt: skip
        scaler = Scaler(rules, state, save, readings, fleet, reminders, time.time)
        if once:
            return await _once(rules, scaler)
        log.info(
            "replicas of %s: %d wanted, %d known, between %d and %d",
            rules.path, state.memory.wanted, len(state.replicas), rules.plan.least, rules.plan.most,
        )  # fmt: skip
        await _until_stopped(scaler)
        log.info("stopping")
        await driver.close()
    return int(ExitCode.DONE)


async def _once(rules: Rules, scaler: Scaler) -> int:
    decision = await scaler.tick()
    if decision is None:
        return int(ExitCode.UNHEALTHY)
    if isinstance(decision, Hold):
        log.info("hold: %s", decision.sentence)
    settled = await scaler.settle(rules.join_seconds)
    known = all(each.way != "unknown" for each in decision.verdicts)
    return int(ExitCode.DONE if known and settled else ExitCode.UNHEALTHY)


async def _until_stopped(scaler: Scaler) -> None:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(scaler.run())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running


async def begin(
    rules: Rules,
    state: State,
    save: Callable[[], None],
    session: aiohttp.ClientSession,
    *,
    begun: bool,
    dry_run: bool,
) -> Driver:
    """Whoever runs the replicas. Where nothing is written down, as many are wanted as there are. Raises CannotBegin."""
    driver = make_driver(rules, state, save, session)
    if begun and not dry_run:
        return driver
    found = await _found(driver, state)
    if not begun:
        state.memory = msgspec.structs.replace(state.memory, wanted=len(found))
    return DryRun(found) if dry_run else driver


async def _found(driver: Driver, state: State) -> list[Replica]:
    """The replicas there are. Nothing is started for it. Raises CannotBegin."""
    if isinstance(driver, Processes):
        return [Replica(each.name, each.address) for each in state.processes]
    try:
        return list(await driver.listed())
    except CannotDo as error:
        raise CannotBegin(f"It can't be found out how many replicas there are: {error}") from error


def known_state(file: StateFile, plan: Plan, now: float, *, changes: bool = True) -> tuple[State, bool]:
    """What an earlier life has left, and True; or how to begin, and False. Raises CannotBegin.

    `changes`: a file that can't be read is set aside.
    """
    state, trouble = file.load()
    if state is not None:
        return state, True
    if not trouble:
        return State(Memory(plan.least)), False
    if changes:
        try:
            aside = file.set_aside()
        except OSError as error:
            raise CannotBegin(f"{trouble}, and it can't be set aside: {error.strerror}.") from error
        log.warning("%s: it is set aside as %s, and what runs is gone on with", trouble, aside)
    # when the last step was is not known: it may have been a moment ago
    longest = "up" if plan.after_up_seconds >= plan.after_down_seconds else "down"
    return State(Memory(plan.least, longest, now)), False


def _again_seconds(rules: Rules) -> float:
    """How long the first look at the nodes takes, to see what happens meanwhile."""
    return min(SECOND_LOOK_SECONDS, max(rules.every_seconds, 0.2))


def make_driver(rules: Rules, state: State, save: Callable[[], None], session: aiohttp.ClientSession) -> Driver:
    driver = rules.driver
    if isinstance(driver, DryDriver):
        return DryRun(imagined(state.memory.wanted))
    if isinstance(driver, HookDriver):
        return Hooks(driver)
    members, primary_feeds_most = Members(session, rules.nodes), driver.primary_feeds_most

    async def find_sources(processes: Sequence[Process]) -> list[str]:
        try:
            found = await members.find()
        except NotAnswered as error:
            raise CannotDo(f"No node says whom a new replica can follow: {error}.") from error
        fed = [each.sources[0] for each in processes if each.sources]
        return choose_sources(found, fed, [each.name for each in processes], primary_feeds_most)

    processes = Processes(driver, rules.plan.most, rules.state, state.processes, save, find_sources, time.time)
    processes.adopt()
    return processes


def make_balancer(rules: Rules) -> Balancer:
    balancer = _in_front(rules.balancer)
    targets_file = None if rules.prometheus is None else rules.prometheus.targets_file
    return balancer if targets_file is None else Announced(balancer, targets_file)


def _in_front(balancer: InFront) -> Balancer:
    if isinstance(balancer, NginxBalancer):
        return Nginx(balancer)
    if isinstance(balancer, HaproxyBalancer):
        return Haproxy(balancer)
    if isinstance(balancer, HookBalancer):
        return BalancerHooks(balancer)
    return NobodyInFront()


def make_probe(rules: Rules, session: aiohttp.ClientSession) -> Probe:
    async def probe(address: str) -> str:
        url = f"http://{address}/replica"
        try:
            parameters = {"max_lag": f"{rules.max_lag_seconds:g}"}
            status, body = await ask(session, url, rules.nodes.timeout_seconds, parameters)
        except NotAnswered as error:
            return str(error)
        if status == 200:
            return ""
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            return str(orjson.loads(body)["detail"])
        return f"it answers {status}"

    return probe
