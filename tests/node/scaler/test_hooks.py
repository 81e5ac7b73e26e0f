"""Commands of others: what they are told, and what is made of everything that they may do."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from onsale.node.scaler.hooks import OUTPUT_BYTES_MAX, BalancerHooks, Hooks, run_command
from onsale.node.scaler.ports import CannotDo, Place, Replica
from onsale.node.scaler.process_table import started_ticks
from onsale.node.scaler.rules import HookBalancer, HookDriver


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def driver(listing: str = "true", *, up: str = "true", down: str = "true", seconds: float = 10.0) -> Hooks:
    return Hooks(HookDriver(shell(up), shell(down), shell(listing), seconds))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo on its way; echo no such pod >&2; exit 3", "ended with exit code 3, saying: no such pod."),
        ("echo only this; exit 1", "ended with exit code 1, saying: only this."),
        ("exit 1", "ended with exit code 1."),
        ("kill -9 $$", "ended with signal SIGKILL."),
        (r"printf '\033[31mred\377\n' >&2; exit 1", "saying: �[31mred�."),
        ("printf '%01000d' 1 >&2; exit 1", f"saying: {'0' * 300}."),
    ],
)
async def test_how_a_command_failed_is_told(script: str, words: str) -> None:
    with pytest.raises(CannotDo) as raised:
        await run_command(shell(script), 10)
    assert str(raised.value).startswith("`sh -c ")
    assert str(raised.value).endswith(words)


async def test_a_command_that_is_not_there() -> None:
    with pytest.raises(CannotDo, match=r"`/no/such thing` can't be run: No such file|'/no/such' thing"):
        await run_command(("/no/such", "thing"), 10)


async def test_one_that_does_not_end_is_killed_with_all_that_it_began(tmp_path: Path) -> None:
    child = tmp_path / "child"
    began = time.monotonic()
    with pytest.raises(CannotDo, match=r"did not end within 0\.3 s, and was killed"):
        await run_command(shell(f"sleep 60 & echo $! >{child}; wait"), 0.3)
    assert time.monotonic() - began < 5
    async with asyncio.timeout(5):
        while started_ticks(int(child.read_text())) is not None:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)


async def test_one_that_ends_and_leaves_its_output_open_is_not_waited_for_longer() -> None:
    with pytest.raises(CannotDo, match="did not end within"):
        await run_command(shell("sleep 60 & exit 0"), 0.3)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_one_that_never_stops_printing_is_killed(stream: str) -> None:
    script = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    with pytest.raises(CannotDo, match="printed more than 1 MiB, and was killed"):
        await run_command(python(script), 30)
    much = await run_command(python(f"print('x' * {OUTPUT_BYTES_MAX - 1})"), 30)
    assert len(much) == OUTPUT_BYTES_MAX


async def test_it_reads_nothing_and_may_be_interrupted() -> None:
    assert await run_command(("cat",), 10) == "", "nothing of ours is its input"
    task = asyncio.create_task(run_command(shell("sleep 60"), 60))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- a driver


async def test_up_and_down_are_told_what_is_wanted(tmp_path: Path) -> None:
    told = f"env | grep ^ONSALE_SCALER_ | sort >{tmp_path}/$ONSALE_SCALER_ACTION"
    hooks = driver(up=told, down=told)
    await hooks.up(2, 5, "load is 12; rm -rf $(HOME)\0")
    await hooks.down([Replica("b", ""), Replica("c", "10.0.0.1:80")], 3, "load is 1")
    assert (tmp_path / "up").read_text().splitlines() == [
        "ONSALE_SCALER_ACTION=up", "ONSALE_SCALER_COUNT=2", "ONSALE_SCALER_REASON=load is 12; rm -rf $(HOME)",
        "ONSALE_SCALER_WANTED=5",
    ]  # fmt: skip
    assert (tmp_path / "down").read_text().splitlines() == [
        "ONSALE_SCALER_ACTION=down", "ONSALE_SCALER_COUNT=2", "ONSALE_SCALER_REASON=load is 1",
        "ONSALE_SCALER_REPLICAS=b c", "ONSALE_SCALER_WANTED=3",
    ]  # fmt: skip


async def test_those_there_are_as_they_are_listed() -> None:
    hooks = driver(r"printf '\n  onsale-replica-0 10.0.0.1:8080  \n\nlate\n[x]\n' | grep -v x")
    assert await hooks.listed() == [Replica("onsale-replica-0", "10.0.0.1:8080"), Replica("late", "")]
    assert await driver("true").listed() == []


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        ("echo a 10.0.0.1", "prints 'a 10.0.0.1': "),
        ("echo a 10.0.0.1:99999", "prints 'a 10.0.0.1:99999': "),
        ("echo a b c", "prints 'a b c'; print NAME or NAME HOST:PORT."),
        ("echo No resources found in onsale namespace.", "print NAME or NAME HOST:PORT."),
        ("echo --all", "prints '--all'; print NAME"),
        ("echo '../x'", "prints '../x'; print NAME"),
        (r"printf '\033[31m'", r"prints '\x1b[31m'; print NAME"),
        (r"printf 'a\000b'", r"prints 'a\x00b'; print NAME"),
        (r"printf '\377'", "print NAME or NAME HOST:PORT."),
        ("printf '%01000d' 1", f"prints '{'0' * 300}…'; print NAME"),
        ("echo a; echo a 10.0.0.1:80", "names a replica twice; print a line for each."),
        ("echo a; exit 1", "ended with exit code 1, saying: a."),
    ],
)
async def test_a_list_that_is_none_is_not_believed(listing: str, words: str) -> None:
    with pytest.raises(CannotDo) as raised:
        await driver(listing).listed()
    assert words in str(raised.value)


# --- a balancer


def places(*names: str) -> list[Place]:
    return [Place(Replica(name, f"10.0.0.{number}:80"), number) for number, name in enumerate(names, 1)]


async def test_each_is_admitted_once_and_drained_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = shell(
        f"echo $ONSALE_SCALER_ACTION $ONSALE_SCALER_REPLICA $ONSALE_SCALER_ADDRESS $ONSALE_SCALER_HOST "
        f"$ONSALE_SCALER_PORT >>{log}; test ! -e {tmp_path}/broken"
    )
    front = BalancerHooks(HookBalancer(words, words, words, 10.0))
    a, b = places("a", "b")
    for kept in ([a], [a, b], [a, b], [b]):
        await front.keep(kept)
    await front.leave(a)
    await front.release(a)
    admitted = ["admit a 10.0.0.1:80 10.0.0.1 80", "admit b 10.0.0.2:80 10.0.0.2 80"]
    gone = ["drain a 10.0.0.1:80 10.0.0.1 80", "release a 10.0.0.1:80 10.0.0.1 80"]
    assert log.read_text().splitlines() == [*admitted, *gone]
    (tmp_path / "broken").touch()
    with pytest.raises(CannotDo, match="ended with exit code 1"):
        await front.keep([])
    (tmp_path / "broken").unlink()
    await front.keep([])
    assert log.read_text().splitlines()[4:] == ["drain b 10.0.0.2:80 10.0.0.2 80"] * 2, "it is asked again"


async def test_release_may_be_nothing() -> None:
    await BalancerHooks(HookBalancer(shell("false"), shell("false"), (), 10.0)).release(places("a")[0])
