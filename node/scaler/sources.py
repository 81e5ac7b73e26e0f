"""Whom a new replica is to follow.

Owns that choice, which is pure: standbys and replicas before the primary, those that feed fewest first, and the primary
for a few alone, for what it sends to each of them it takes from those who book.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from .nodes import Member
from .ports import CannotDo

_WELL = ("following", "serving")


def choose_sources(
    members: Sequence[Member], fed: Iterable[str], ours: Iterable[str], primary_feeds_most: int
) -> list[str]:
    """Addresses to follow, the first one to be tried first. `fed`: whom each of ours follows; `ours`: their names.

    Raises CannotDo where there is nobody.
    """
    feeding, names = Counter(fed), set(ours)
    able = [each for each in members if each.replication and each.state in _WELL and each.name not in names]
    others = sorted(
        (each.replication for each in able if each.role in ("standby", "replica")), key=lambda each: feeding[each]
    )
    if others:
        return others
    primaries = [each.replication for each in able if each.role == "primary"]
    if not primaries:
        raise CannotDo("There is no node to follow: none says where others connect to it. Give one a --replication.")
    if sum(feeding[each] for each in primaries) >= primary_feeds_most:
        raise CannotDo(
            f"There is no standby to follow, and the primary feeds {primary_feeds_most} already, which is "
            "`primary_feeds_most`. Add a standby (or a replica with --replication), or raise it."
        )
    return primaries
