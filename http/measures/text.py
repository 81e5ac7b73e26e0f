"""Families as Prometheus reads them: its text format, version 0.0.4.

Owns that format alone. The client library's own writer takes several times as long, and this is done on the event loop:
a node that has served every route has more than a thousand samples. So it comes in parts, for others to have their turn
in between.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import inf, isnan
from typing import Final

from prometheus_client.core import Metric

_LABELS_KEPT: Final = 8_192  # sets of labels; they are few, and the same at each scrape
_TYPES: Final = frozenset({"counter", "gauge", "histogram"})


def text_of(families: Iterable[Metric]) -> Iterator[bytes]:
    """A part for each of them; one family may come as several, one right behind the other.

    Raises ValueError for a kind of family that nothing here makes.
    """
    named = ""
    for family in families:
        if family.type not in _TYPES:
            raise ValueError(f"{family.name} is a {family.type}; only {', '.join(sorted(_TYPES))} are written")
        parts: list[str] = []
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name != named:
            named = name
            help_text = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
            parts.append(f"# HELP {name} {help_text}\n# TYPE {name} {family.type}\n")
        parts += [
            f"{sample.name}{_labels(tuple(sample.labels.items())) if sample.labels else ''} {_number(sample.value)}\n"
            for sample in family.samples
        ]
        yield "".join(parts).encode()


@lru_cache(_LABELS_KEPT)
def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if isnan(value) else repr(float(value))
