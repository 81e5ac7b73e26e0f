"""Every alert of deploy/prometheus made to fire once by its real cause: `python -m onsale.loadtest.alerts_fire`.

Real nodes in a dozen clusters, a real Prometheus with the rules of deploy/prometheus, a real etcd. First everything is
well for ten seconds, and nothing may fire; then the damage is done, and for each alert the seconds until it fired are
told. Exits with 1 when one did not, or had fired before its cause.

Alerts wait for minutes, so the rules are derived with every window ([5m]) and every `for` shortened by one factor: 60
unless --factor says otherwise, an hour is a minute. Nothing else is changed: thresholds, also those in seconds, are the
rules' own. Prometheus scrapes each second. Takes six minutes, most of them for OnsaleCheckpointStale's own 300 s.

Wants to be root, for disks of its own; what can't be caused for real here is listed with the reason, and is tested in
deploy/prometheus/alerts.test.yml alone (`promtool test rules`).
"""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

import click

from .alerts_fire_causes import ALONE, LAST, TOGETHER, Scenario
from .alerts_fire_stage import Fired, Stage, alerts

QUIET_SECONDS: Final = 10.0
QUIET_SECONDS_MAX: Final = 60.0


async def _prepared(stage: Stage, scenarios: Iterable[Scenario]) -> dict[str, AsyncIterator[None]]:
    """Those that can be played here."""
    found: dict[str, AsyncIterator[None]] = {}
    for scenario in scenarios:
        playing = scenario(stage)
        try:
            await anext(playing)
        except OSError as error:
            click.echo(f"{scenario.__name__} can't be played here: {error}")
        else:
            found[scenario.__name__] = playing
    return found


async def _play(playing: AsyncIterator[None]) -> None:
    async for _ in playing:
        raise AssertionError("a scenario yields once")


async def _run(folder: Path, factor: float, only: set[str]) -> tuple[list[Fired], list[str]]:
    """What became of each alert, and what fired while all was well."""

    def chosen(scenarios: tuple[Scenario, ...]) -> list[Scenario]:
        return [each for each in scenarios if not only or each.__name__ in only]

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):  # what hangs must be let go, and what is mounted taken away
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Stage(folder, factor) as stage:
        together = await _prepared(stage, chosen(TOGETHER))
        alone = await _prepared(stage, chosen(ALONE))
        early = await stage.quiet(QUIET_SECONDS, QUIET_SECONDS_MAX)
        click.echo(f"{len(together) + len(alone)} clusters are up, nothing fires" if not early else f"fires: {early}")
        waiting = [asyncio.create_task(_play(each)) for each in together.values()]
        await asyncio.sleep(QUIET_SECONDS)  # most of them have fired
        for name, playing in alone.items():
            click.echo(f"{name} …")
            await _play(playing)
        await asyncio.gather(*waiting)
        for playing in (await _prepared(stage, chosen(LAST))).values():
            await _play(playing)
        return stage.told, early


def _table(told: list[Fired], wanted: dict[str, str]) -> list[str]:
    by_alert = {each.alert: each for each in told}
    lines = [f"| {'alert':22} | severity | {'cause':72} | seconds | fired |", "|---|---|---|---:|---|"]
    for alert, severity in wanted.items():
        each = by_alert.get(alert)
        if each is None:
            cause, seconds, fired = "can't be caused here; tested in alerts.test.yml", "", "no"
        else:
            cause, seconds = each.cause, "" if each.seconds is None else f"{each.seconds:.1f}"
            fired = "before" if each.too_early else "no" if each.seconds is None else "yes"
        lines.append(f"| {alert:22} | {severity:8} | {cause:72} | {seconds:>7} | {fired:5} |")
    return lines


@click.command(help=__doc__)
@click.option("--factor", default=60.0, show_default=True, help="How many times shorter windows and `for` are.")
@click.option("--only", multiple=True, help="A scenario, by its function's name; all unless given.")
@click.option("--keep", is_flag=True, help="Leave logs and folders where they are.")
def main(*, factor: float, only: tuple[str, ...], keep: bool) -> None:
    for program in ("prometheus", "etcd"):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed.")
    folder = Path(tempfile.mkdtemp(prefix="onsale-alerts-"))
    try:
        told, early = asyncio.run(_run(folder, factor, set(only)))
    except asyncio.CancelledError:
        raise click.Abort from None
    wanted = {alert: severity for alert, severity in alerts().items() if not only or alert in {t.alert for t in told}}
    click.echo("\n".join(_table(told, wanted)))
    click.echo("\n".join(f"{each.alert}: {each.summary}" for each in told))
    fired = {each.alert for each in told if each.seconds is not None and not each.too_early}
    click.echo(f"{len(fired)} of {len(wanted)} alerts fired by their cause; windows and `for` are {factor:g} x shorter")
    if keep:
        click.echo(f"logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if early or wanted.keys() - fired else 0)


if __name__ == "__main__":
    main()
