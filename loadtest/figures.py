"""Figures: what a benchmark found, beside what it should find, as a table for people and JSON for programs.

Owns their form. A figure never fails a run: machines differ, and a person judges.
"""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """`runs` are the single measurements, `value` their median. `aim` reads like "≥ 250000"."""

    part: str
    name: str
    value: float
    unit: str
    aim: str = ""
    runs: tuple[float, ...] = ()
    note: str = ""


def median(part: str, name: str, runs: Sequence[float], unit: str, aim: str = "", note: str = "") -> Figure:
    return Figure(part, name, statistics.median(runs), unit, aim, tuple(runs), note)


def met(figure: Figure) -> bool | None:
    """Whether the aim was met; None where there is none."""
    if not figure.aim:
        return None
    sign, _, bound = figure.aim.partition(" ")
    return figure.value >= float(bound) if sign == "≥" else figure.value <= float(bound)


def machine() -> dict[str, Any]:
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(figures: Sequence[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Onsale on {machine()['cpu']}, {machine()['cores']} cores")
    for heading in ("part", "figure", "median", "min – max", "unit", "aim", ""):
        table.add_column(heading, justify="right" if heading in ("median", "min – max", "aim") else "left")
    for figure in figures:
        spread = f"{_number(min(figure.runs))} – {_number(max(figure.runs))}" if len(figure.runs) > 1 else ""
        verdict = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[met(figure)]
        table.add_row(figure.part, figure.name, _number(figure.value), spread, figure.unit, figure.aim, verdict)
    Console(width=140).print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine(),
        "figures": [msgspec.to_builtins(figure) | {"met": met(figure)} for figure in figures],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
