"""What one seed stands for: how large the cluster is, how its machines are, and which faults befall it.

Owns every choice that is made once for a whole simulation. Equal seeds and modes give equal plans.
"""

from dataclasses import dataclass
from random import Random

MODES = ("safe", "data-loss", "lease")
"""`safe`: nothing answered may be lost. `data-loss`: operators accept it, and only agreement is asked for. `lease`: as
`safe`, and standbys take over by themselves.
"""


@dataclass(frozen=True)
class Plan:
    seed: int
    mode: str
    voters: tuple[str, ...]
    replicas: tuple[str, ...]
    sync_standbys: int
    clients: int
    chaos_seconds: float
    segment_bytes_max: int
    delays_us: tuple[int, int]
    hiccup_probability: float
    sync_us: tuple[int, int]
    hold_ms: int
    fault_seconds: tuple[float, float]  # between one fault and the next
    think_ms: tuple[int, int]
    weights: dict[str, int]  # of the kinds of faults; faults.py knows what they are
    damages_disks: bool
    checkpoint_us: tuple[int, int]  # between one checkpoint of some node and the next of another
    lease_seconds: float = 0.0  # 0: only operators let another node lead

    @property
    def loses(self) -> bool:
        """Operators accept that answers are lost."""
        return self.mode == "data-loss"

    @property
    def names(self) -> tuple[str, ...]:
        return self.voters + self.replicas

    def random(self, purpose: int) -> Random:
        """A stream of chance of its own, so that one part's choices don't shift another's."""
        return Random(self.seed * 64 + purpose)


KINDS = (
    "power_loss",
    "blackout",
    "succession",
    "stutter",
    "power_loss_in_operation",
    "power_loss_when_synced",
    "kill",
    "pause",
    "isolate",
    "one_way",
    "pair",
    "halves",
    "break_connections",
    "slow_link",
    "slow_disk",
    "failing_disk",
    "full_disk",
    "clock_step",
    "failover",
    "switchover",
    "two_operators",
    "sync_standbys",
)


LEASE_KINDS = (
    "lease_out_of_reach",
    "lease_without_majority",
    "takeover_paused",
    "lease_stands_still",
    "lease_restored",
    "lease_slow",
)


def make_plan(seed: int, mode: str = "safe") -> Plan:
    random = Random(seed * 64 + 63)
    nodes = random.choice((2, 3, 3, 3, 4, 4, 5))
    replicas = random.choice((0, 0, 0, 1, 1, 2)) if nodes > 2 else random.choice((0, 0, 1))
    voters = nodes - min(replicas, nodes - 1)
    weights = {kind: random.choice((0, 1, 1, 2, 4)) for kind in KINDS}
    weights["failover"] += 1
    if mode == "lease":
        chance = Random(seed * 64 + 62)
        weights |= {kind: chance.choice((1, 2, 4)) for kind in LEASE_KINDS}
    return Plan(
        seed=seed,
        mode=mode,
        voters=tuple(f"v{number}" for number in range(1, voters + 1)),
        replicas=tuple(f"r{number}" for number in range(1, nodes - voters + 1)),
        sync_standbys=min(random.choice((0, 1, 1, 1, 2)), voters - 1),
        clients=random.choice((2, 3, 4)),
        chaos_seconds=random.choice((4.0, 8.0, 12.0)),
        segment_bytes_max=random.choice((1_500, 6_000, 64_000)),
        delays_us=random.choice(((100, 600), (100, 3_000), (1_000, 30_000))),
        hiccup_probability=random.choice((0.0, 0.0, 0.001, 0.02)),
        sync_us=random.choice(((100, 400), (200, 3_000), (2_000, 20_000))),
        hold_ms=random.choice((700, 2_000, 6_000)),
        fault_seconds=random.choice(((0.1, 0.6), (0.2, 1.5), (0.5, 3.0))),
        think_ms=random.choice(((20, 200), (50, 400), (100, 900))),
        weights=weights,
        damages_disks=random.random() < 0.15,
        checkpoint_us=random.choice(((200_000, 800_000), (500_000, 3_000_000), (60_000_000, 60_000_001))),
        lease_seconds=random.choice((1.0, 2.0, 3.0)) if mode == "lease" else 0.0,
    )
