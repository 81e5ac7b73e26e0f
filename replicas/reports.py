"""What the nodes say of themselves, passed on so that any of them can tell of all.

Owns the latest report of each node. Followers pass theirs, and those of who follows them, up to their source; sources
pass all they know down. A report carries its age, for the nodes' clocks need not agree.
"""

from collections.abc import Callable, Iterable

import msgspec

from .frames import MemberReport

SILENT_MS = 3_000  # a node not heard of for so long counts as unreachable
FORGOTTEN_MS = 120_000  # it is forgotten then; a voter stands in the journal


class Reports:
    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._heard: dict[str, tuple[float, MemberReport]] = {}  # by name: when it was so, what it said

    def heard(self, reports: Iterable[MemberReport], own_name: str) -> None:
        """What came from elsewhere; of two reports of one node the younger counts."""
        now = self._seconds()
        for report in reports:
            said_at = now - report.age_ms / 1000
            known = self._heard.get(report.name)
            if report.name != own_name and (known is None or said_at > known[0]):
                self._heard[report.name] = (said_at, report)

    def forget(self, name: str) -> None:
        self._heard.pop(name, None)

    def of(self, name: str, *, age_ms_max: float = FORGOTTEN_MS) -> MemberReport | None:
        """The latest one, unless it is older than that now."""
        known = self._heard.get(name)
        return known[1] if known is not None and (self._seconds() - known[0]) * 1000 <= age_ms_max else None

    def known(self) -> list[MemberReport]:
        """By name, each with its age now."""
        now = self._seconds()
        found = []
        for name, (said_at, report) in sorted(self._heard.items()):
            age_ms = max(round((now - said_at) * 1000), 0)
            if age_ms > FORGOTTEN_MS:
                del self._heard[name]
            else:
                found.append(msgspec.structs.replace(report, age_ms=age_ms))
        return found
