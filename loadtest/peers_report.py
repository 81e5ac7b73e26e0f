"""What bench_peers found, as a page for people: loadtest/REPORT.md and its plots.

Owns the words and the pictures; computes nothing but medians and ratios.
"""

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .bench_peers import Found, Measured

NAMES: Final = {
    "onsale": "Onsale, durable",
    "onsale-k1": "Onsale, durable, and on a standby (K = 1)",
    "bare": "bare aiohttp handler, stores nothing",
    "redis": "aiohttp + Redis Lua, AOF always, a call a booking",
    "redis-together": "aiohttp + Redis Lua, AOF always, one call for all that wait",
    "postgres": "aiohttp + PostgreSQL row lock, a transaction a booking",
    "postgres-together": "aiohttp + PostgreSQL, one transaction for all that wait",
    "fastapi": "FastAPI + PostgreSQL, a transaction a booking",
    "bare-get": "bare aiohttp GET",
    "onsale-search": "Onsale, GET /events?search=…, asked before",
    "onsale-availability": "Onsale, GET /events/1/availability",
}
RATIOS: Final = (  # of whom, to whom, the aim
    ("onsale", "bare", 2.5),
    ("onsale-k1", "bare", 1.8),
    ("onsale", "redis", 6.0),
    ("onsale", "redis-together", 6.0),
    ("onsale", "postgres", 40.0),
    ("onsale", "postgres-together", 40.0),
    ("onsale", "fastapi", None),
    ("onsale-search", "bare-get", 3.0),
    ("onsale-availability", "bare-get", 3.0),
)
HALF_P99_MS_MAX: Final = 5.0
SPREAD_MAX: Final = 2.0  # the fastest round to the slowest
PLOTS: Final = ("throughput", "latency-over-load", "latency-percentiles")
PERCENTILES: Final = ("p50", "p90", "p99", "p99.9")
INK: Final = "#7a7f87"  # readable on light and on dark


def write_report(found: "Found", out: Path) -> Path:
    """Returns the page's path. The plots stand in report/ beside it."""
    folder = out / "report"
    folder.mkdir(parents=True, exist_ok=True)
    _plot_throughput(found, folder / "throughput.svg")
    _plot_load(found, folder / "latency-over-load.svg")
    _plot_percentiles(found, folder / "latency-percentiles.svg")
    page = out / "REPORT.md"
    page.write_text(render(found))
    return page


def render(found: "Found") -> str:
    machine = ", ".join(f"{name} {value}" for name, value in found.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in found.versions.items())
    how = (
        f"{found.connections} connections, each sending its next request when the last one is answered; runs of "
        f"{found.seconds:g} s. The process that answers HTTP has one core for all that is in it (for Onsale: its loop, "
        "the journal's thread and its helper processes); the peers' databases and Onsale's standby have the others, "
        "together with the generator. Everybody answers when the booking is synced to disk, but for the bare handler, "
        "which stores nothing. Figures of a machine that others use: trust the ratios, taken round by round."
    )
    open_loop = (
        "An open loop: requests are due at a fixed rate whatever the server does, and latency counts from when they "
        "were due."
    )
    parts = [
        "# The same booking by the usual designs",
        f"Measured on {found.at} by `{found.command}`, in turn and in the same minutes: {machine}. {versions}.",
        how,
        _table(found),
        "![throughput](report/throughput.svg)",
        _ratios(found),
        _half_load(found),
        "## Latency",
        open_loop,
        "![latency over load](report/latency-over-load.svg)",
        "![latency percentiles](report/latency-percentiles.svg)",
        _notes(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def per_second(measured: "Measured") -> float | None:
    return float(median(each["per_second"] for each in measured.rounds)) if measured.rounds else None


def ratio(found: "Found", ours: str, theirs: str) -> float | None:
    """The median of the rounds' ratios."""
    pairs = [found.systems[name].rounds for name in (ours, theirs) if name in found.systems]
    if len(pairs) < 2 or not all(pairs):
        return None
    return float(median(one["per_second"] / other["per_second"] for one, other in zip(*pairs, strict=False)))


def _spread(measured: "Measured") -> float:
    rates = [each["per_second"] for each in measured.rounds]
    return max(rates) / min(rates) if rates else 1.0


def _table(found: "Found") -> str:
    lines = ["| | per second, median | min – max | p50 | p99 |", "|---|---|---|---|---|"]
    for name, measured in found.systems.items():
        if measured.missing:
            lines.append(f"| {NAMES[name]} | not measured: {measured.missing} | | | |")
            continue
        rates = [each["per_second"] for each in measured.rounds]
        p50, p99 = (median(each["latency_ms"][which] for each in measured.rounds) for which in ("p50", "p99"))
        lines.append(
            f"| {NAMES[name]} | {median(rates):,.0f} | {min(rates):,.0f} – {max(rates):,.0f} "
            f"| {p50:.1f} ms | {p99:.1f} ms |"
        )
    return "\n".join(lines)


def _ratios(found: "Found") -> str:
    lines = ["## Ratios", "", "| | × | aim | |", "|---|---|---|---|"]
    for ours, theirs, aim in RATIOS:
        value = ratio(found, ours, theirs)
        if value is None:
            continue
        met = "" if aim is None else ("met" if value >= aim else "**not met**")
        wanted = "" if aim is None else f"≥ {aim:g}"
        lines.append(f"| {NAMES[ours]} against {NAMES[theirs]} | {value:.2f} | {wanted} | {met} |")
    return "\n".join(lines)


def _half_load(found: "Found") -> str:
    if found.half_load is None:
        return ""
    latency = found.half_load["latency_ms"]
    met = "met" if latency["p99"] < HALF_P99_MS_MAX else "**not met**"
    return (
        f"At half of its throughput ({found.half_load['per_second']:,.0f} bookings/s) Onsale answers in "
        f"{latency['p50']:.2f} ms (p50), {latency['p99']:.2f} ms (p99); aim: p99 below {HALF_P99_MS_MAX:g} ms, {met}."
    )


def _notes(found: "Found") -> str:
    shares = [each["cpu_share"] for measured in found.systems.values() for each in measured.rounds]
    busiest = max((share for share in shares if share is not None), default=0.0)
    unsteady = [NAMES[name] for name, each in found.systems.items() if _spread(each) > SPREAD_MAX]
    warning = "; ".join(unsteady)
    return (
        (
            f"**Was more than twice as fast in one round as in another, do not trust it: {warning}.** "
            if unsteady
            else ""
        )
        + f"The generator used up to {busiest:.0%} of its core. The bare handler has a core for itself, ours shares "
        "its own with the thread that syncs. The peers that gather what waits into one transaction or call are how an "
        "expert would write them; most are not written so."
    )


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "onsale", "svg.fonttype": "none", "text.color": INK, "axes.edgecolor": INK})
    plt.rcParams.update({"axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "legend.labelcolor": INK})
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


def _plot_throughput(found: "Found", path: Path) -> None:
    rates = {name: rate for name, each in found.systems.items() if (rate := per_second(each)) is not None}
    figure, axes = _axes("Answered per second, one core, 256 connections", "per second", "")
    names = list(reversed(rates))
    bars = axes.barh(
        [NAMES[name] for name in names],
        [rates[name] for name in names],
        color=["#2f7fd8" if name.startswith("onsale") else "#9aa3ad" for name in names],
    )
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, color=INK)
    _save(figure, path)


def _plot_load(found: "Found", path: Path) -> None:
    figure, axes = _axes("p99 over load", "requests per second", "p99, ms")
    for name, measured in found.systems.items():
        points = sorted((each["per_second"], each["latency_ms"]["p99"]) for each in measured.sweep.values())
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=NAMES[name])
    axes.set(xscale="log", yscale="log")
    if axes.lines:
        axes.legend(frameon=False, fontsize="small")
    _save(figure, path)


def _plot_percentiles(found: "Found", path: Path) -> None:
    figure, axes = _axes("Latency at half of what each can do", "", "ms")
    for name, measured in found.systems.items():
        half = measured.sweep.get("0.5")
        if half is not None:
            axes.plot(PERCENTILES, [half["latency_ms"][each] for each in PERCENTILES], marker="o", label=NAMES[name])
    axes.set(yscale="log")
    if axes.lines:
        axes.legend(frameon=False, fontsize="small")
    _save(figure, path)
