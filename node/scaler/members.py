"""Which nodes there are, and whom a new replica is to follow.

Owns the question to GET /cluster, and the choice, which is pure: standbys and replicas before the primary, those that
feed fewest first, and the primary for a few alone, for what it sends to each of them it takes from those who book.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import aiohttp
import msgspec

from .asking import NotAnswered, ask, decode
from .ports import CannotDo
from .rules import Nodes

_WELL = ("following", "serving")


class Member(msgspec.Struct):
    """What is wanted of a member in GET /cluster."""

    name: str
    role: str
    state: str
    address: str
    replication: str = ""


class _View(msgspec.Struct):
    members: list[Member]


class Members:
    def __init__(self, session: aiohttp.ClientSession, nodes: Nodes) -> None:
        self._session = session
        self._nodes = nodes

    async def find(self) -> list[Member]:
        """As the first node that answers knows them. Raises NotAnswered."""
        troubles = []
        for address in self._nodes.addresses:
            try:
                status, body = await ask(self._session, f"{address}/cluster", self._nodes.timeout_seconds)
                if status == 200:
                    return decode(body, _View).members
                troubles.append(f"{address} answers {status}")
            except NotAnswered as error:
                troubles.append(str(error))
            except ValueError:
                troubles.append(f"what answers at {address} is no node")
        raise NotAnswered("; ".join(troubles) or "the rules name no nodes")


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
