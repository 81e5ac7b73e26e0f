"""Simulate many seeds: `python -m onsale.tests.simulation.run --seeds 1000`; one again, with its trace: `--seed 7`.

Exits with 1 when a promise was broken, and names the seeds that show it.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from onsale.tests.simulation.plan import MODES, make_plan
from onsale.tests.simulation.simulation import Outcome, Simulation

SEEDS_PER_TASK = 20
TRACE_LINES_SHOWN = 40


def simulate(seed: int, mode: str = MODES[0], lines_kept: int | None = 400) -> Outcome:
    return Simulation(make_plan(seed, mode), lines_kept=lines_kept).run()


def simulate_some(seeds: range, mode: str) -> list[Outcome]:
    """In a process of its own; collected between seeds, not in the middle of them."""
    gc.disable()
    outcomes = [simulate(seed, mode) for seed in seeds]
    gc.collect()
    return outcomes


def simulate_all(seeds: range, mode: str, jobs: int) -> Iterator[Outcome]:
    """As they are done."""
    tasks = [seeds[start : start + SEEDS_PER_TASK] for start in range(0, len(seeds), SEEDS_PER_TASK)]
    if jobs == 1:
        for task in tasks:
            yield from simulate_some(task, mode)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for done in as_completed(pool.submit(partial(simulate_some, task, mode)) for task in tasks):
            yield from done.result()


def report(outcome: Outcome, mode: str) -> str:
    again = f"python -m onsale.tests.simulation.run --seed {outcome.seed}" + (f" --mode {mode}" * (mode != MODES[0]))
    lines = "\n".join(outcome.lines[-TRACE_LINES_SHOWN:])
    return f"{lines}\n\nseed {outcome.seed}: {outcome.fault}\ntrace {outcome.trace_hash}; all of it: {again}\n"


def run_one(seed: int, mode: str) -> int:
    outcome = simulate(seed, mode, lines_kept=None)
    print("\n".join(outcome.lines))
    print(f"\n{make_plan(seed, mode)}")
    told = outcome.fault or "every promise was kept"
    print(f"\nseed {seed}: {told}\n{outcome.answers} answers, {outcome.epochs} epochs, trace {outcome.trace_hash}")
    return 1 if outcome.fault else 0


def run_many(seeds: range, mode: str, jobs: int) -> int:
    console = Console(stderr=True)
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    failed: list[Outcome] = []
    answers = epochs = steps = 0
    began = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        for outcome in simulate_all(seeds, mode, jobs):
            answers, epochs, steps = answers + outcome.answers, epochs + outcome.epochs, steps + outcome.steps
            progress.advance(task)
            if outcome.fault:
                failed.append(outcome)
                progress.console.print(f"seed {outcome.seed}: {outcome.fault}", markup=False, highlight=False)
    passed = time.monotonic() - began
    if failed:
        print(report(min(failed, key=lambda outcome: outcome.seed), mode))
    print(
        f"{len(seeds)} seeds, {answers} answers, {epochs} epochs, {steps} steps in {passed:.1f} s "
        f"({passed * jobs * 1000 / len(seeds):.0f} ms a seed and process)"
    )
    if failed:
        print(f"{len(failed)} failed: {' '.join(str(seed) for seed in sorted(outcome.seed for outcome in failed))}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many (1000)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="this one alone, with its whole trace")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="whether operators accept data loss")
    options = parser.parse_args()
    if options.seed is not None:
        return run_one(options.seed, options.mode)
    return run_many(range(options.first, options.first + options.seeds), options.mode, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
