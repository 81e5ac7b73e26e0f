"""`make onsale-sim`: one onsale with a waiting room in simulated time, on the real engine, checked from end to end.

The same people go through a room that knows its stock and through one that does not, and what became of them is
compared. Some leave, let their turn or their hold lapse, decline, join twice, or try tricks; the node restarts and
fails over in the middle. Exits with 1 when a promise was broken, and says which.

Owns the command line.
"""

import sys
import time

import click

from ..engine.restore import InconsistentRowsError
from ..engine.status import WAITLIST_FIRST_FIT, WAITLIST_OFF, WAITLIST_STRICT
from .onsale_figures import Outcome, as_json, markdown, outcome_of, print_table
from .onsale_node import DivergedError
from .onsale_people import people_of
from .onsale_run import Onsale, Plan

ROOMS = {"aware": (True,), "blind": (False,), "both": (True, False)}
WAITLISTS = {"strict": WAITLIST_STRICT, "first_fit": WAITLIST_FIRST_FIT, "off": WAITLIST_OFF}
PEOPLE_PER_MINUTE_AND_MORE = 50  # as many people come for each one who is let in a minute


def simulate(people: int, plan: Plan, *, show_progress: bool = False) -> Outcome:
    """One onsale, from the first who comes to the audit of it. What was broken stands in `faults`."""
    began = time.perf_counter()
    onsale = Onsale(people_of(plan.seed, people), plan)
    try:
        if show_progress:
            _run_shown(onsale)
        else:
            onsale.run()
    except (AssertionError, DivergedError, InconsistentRowsError) as broken:
        onsale.ledger.fault(f"it came to a stop: {broken!r}")
    return outcome_of(onsale, time.perf_counter() - began)


def _run_shown(onsale: Onsale) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("people gather", total=onsale.plan.tickets)
        onsale.progress = lambda what, sold: progress.update(task, description=what, completed=sold)
        onsale.run()


@click.command(help=__doc__)
@click.option("--people", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True)
@click.option("--tickets", type=click.IntRange(1, 1_000_000), default=5_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Other seeds are other people.")
@click.option("--admit-per-minute", type=click.IntRange(1), help="Default: a fiftieth of the people.")
@click.option("--max-inside", type=click.IntRange(1), help="People whose turn it is, at once. Default: no bound.")
@click.option("--turn-seconds", type=click.IntRange(10), help="Default: as the product has it.")
@click.option(
    "--waitlist",
    type=click.Choice(list(WAITLISTS)),
    default="first_fit",
    show_default=True,
    help="Under strict, a group at the head of the line may keep the last tickets from everybody.",
)
@click.option("--room", type=click.Choice(list(ROOMS)), default="both", show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True)
def main(
    *,
    people: int,
    tickets: int,
    seed: int,
    admit_per_minute: int | None,
    max_inside: int | None,
    turn_seconds: int | None,
    waitlist: str,
    room: str,
    form: str,
) -> None:
    rate = admit_per_minute or max(people // PEOPLE_PER_MINUTE_AND_MORE, 1)
    turn_ms = None if turn_seconds is None else turn_seconds * 1000
    outcomes = []
    for by_stock in ROOMS[room]:
        plan = Plan(seed, tickets, rate, by_stock, max_inside, turn_ms, WAITLISTS[waitlist])
        outcomes.append(simulate(people, plan, show_progress=True))
    if form == "json":
        print(as_json(outcomes))
    elif form == "markdown":
        print(markdown(outcomes))
    else:
        print_table(outcomes)
    for outcome in outcomes:
        for fault in outcome.faults:
            print(f"{outcome.room} room: {fault}", file=sys.stderr)
    sys.exit(1 if any(outcome.faults for outcome in outcomes) else 0)


if __name__ == "__main__":
    main()
