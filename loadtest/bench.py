"""`make bench`: every figure the product promises, measured here and now.

Owns the order and the report. `--full` takes the sizes the promises name (about ten minutes); without it a quick look.
"""

from pathlib import Path

import click

from . import (
    bench_bots,
    bench_cancel,
    bench_engine,
    bench_flat,
    bench_http,
    bench_journal,
    bench_memory,
    bench_pauses,
    bench_recovery,
    bench_replication,
    bench_search_http,
    bench_seats,
)
from .figures import Figure, show, write

PARTS = {
    "engine": bench_engine.run,
    "memory": bench_memory.run,
    "journal": bench_journal.run,
    "recovery": bench_recovery.run,
    "http": bench_http.run,
    "replication": bench_replication.run,
    "search": bench_search_http.run,
    "cancel": bench_cancel.run,
    "bots": bench_bots.run,
    "seats": bench_seats.run,
    "flat": bench_flat.run,
    "pauses": bench_pauses.run,
}
RESULTS = Path("loadtest/results/bench.json")


@click.command(help=__doc__)
@click.option("--full", is_flag=True, help="The sizes the promises name.")
@click.option("--only", type=click.Choice(sorted(PARTS)), multiple=True, help="These parts alone.")
@click.option("--json", "path", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(*, full: bool, only: tuple[str, ...], path: Path) -> None:
    figures: list[Figure] = []
    for name, measure in PARTS.items():
        if only and name not in only:
            continue
        click.echo(f"measuring: {name}", err=True)
        figures += measure(full=full)
    show(figures)
    write(figures, path)
    click.echo(f"written to {path}")


if __name__ == "__main__":
    main()
