"""From what a node says of itself to Prometheus' families.

Owns the names, labels and help of every gauge that is read when it is scraped. Label values come from fixed sets, or
are bounded in number: members by MEMBERS_SHOWN_MAX, events by whoever made the reading.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from ...engine.status import BOOKING_NAMES
from ..gateway import ROLES
from .reading import Reading

OTHER: Final = "other"
OWED_KINDS: Final = ("payments", "refunds", "messages", "concerns")
MEMBERS_SHOWN_MAX: Final = 100  # with time series of their own; of further ones the worst is shown as OTHER


def gauges(reading: Reading) -> Iterator[Metric]:
    """Everything that follows from a reading."""
    yield _by_label("onsale_build_info", "1, with the version of the product.", "version", {reading.version: 1})
    yield from _of_journal(reading)
    yield from _of_queues(reading)
    yield from _of_inventory(reading)
    yield from _of_outside(reading)
    yield from _of_lease(reading)
    yield from _of_members(reading)


def _of_journal(reading: Reading) -> Iterator[Metric]:
    yield _by_label(
        "onsale_role", "1 for the role this node has.", "role", {role: float(role == reading.role) for role in ROLES}
    )
    for name, text, value in (
        ("onsale_seq", "Position of the last fact applied.", reading.seq),
        ("onsale_durable_seq", "Everything up to this position is durable.", reading.durable_seq),
        ("onsale_checkpoint_seq", "Position of the last checkpoint.", reading.checkpoint_seq),
        ("onsale_epoch", "Epoch of the journal.", reading.epoch),
        ("onsale_takes_writes", "1 while commands are decided and answered by this node.", reading.takes_writes),
        ("onsale_sync_standbys", "Standbys that answers to writes wait for.", reading.sync_standbys),
        ("onsale_sync_standbys_met", "Standbys in step, that answers can rest on.", reading.sync_standbys_met),
        ("onsale_lag_seconds", "How old what this node shows may be.", reading.lag_ms / 1000),
    ):
        yield GaugeMetricFamily(name, text, float(value))
    for name, text, known in (
        ("onsale_disk_free_bytes", "Bytes that can be written yet where the data folder is.", reading.disk_free_bytes),
        ("onsale_disk_size_bytes", "Size of the file system that the data folder is on.", reading.disk_size_bytes),
    ):
        if known is not None:
            yield GaugeMetricFamily(name, text, known)


def _of_queues(reading: Reading) -> Iterator[Metric]:
    for name, text, value in (
        (
            "onsale_replies_waiting",
            "Answers to writes that wait for what they rest on to be durable.",
            reading.replies_waiting,
        ),
        ("onsale_unsafe_seconds", "Since when the oldest facts wait to be durable.", reading.unsafe_seconds),
        ("onsale_streams", "Live updates being followed.", reading.streams),
        ("onsale_queue_waiting", "People in waiting rooms whose turn has not come.", reading.queued),
        ("onsale_queue_inside", "People whose turn it is to book.", reading.inside),
    ):
        yield GaugeMetricFamily(name, text, value)


def _of_inventory(reading: Reading) -> Iterator[Metric]:
    for name, text, value in (
        ("onsale_waiting", "Bookings that stand in line.", reading.waiting),
        ("onsale_held", "Bookings that hold tickets and are not paid yet.", reading.held),
        ("onsale_events", "Events.", reading.events),
    ):
        yield GaugeMetricFamily(name, text, value)
    bookings = {status: reading.bookings.get(status, 0) for status in dict.fromkeys(BOOKING_NAMES.values())}
    yield _by_label("onsale_bookings", "Bookings in memory, by status.", "status", bookings)
    tickets = GaugeMetricFamily(
        "onsale_event_tickets",
        "Tickets of the events with most bookings lately.",
        labels=("event", "state"),
    )
    waiting = GaugeMetricFamily(
        "onsale_event_waiting",
        "Bookings in line for the events with most bookings lately.",
        labels=("event",),
    )
    for stock in reading.stock:
        for state, count in (("available", stock.available), ("held", stock.held), ("sold", stock.sold)):
            tickets.add_metric((stock.event, state), count)
        waiting.add_metric((stock.event,), stock.waiting)
    yield tickets
    yield waiting


def _of_outside(reading: Reading) -> Iterator[Metric]:
    for name, text, counts in (
        ("onsale_owed", "What is still to be asked of the payment provider, or told to somebody.", reading.owed),
        ("onsale_given_up", "What a person must look at: see `onsale outbox`.", reading.given_up),
    ):
        yield _by_label(name, text, "kind", {kind: counts[kind] for kind in OWED_KINDS if kind in counts})
    yield _by_label(
        "onsale_outside_failing_seconds",
        "Since when nothing of this kind that is asked of the outside succeeds; 0: the last one did.",
        "lane",
        reading.failing_seconds,
    )


def _of_lease(reading: Reading) -> Iterator[Metric]:
    if reading.lease_valid_seconds is not None:
        text = "How long the lease is this node's for certain; 0 without it."
        yield GaugeMetricFamily("onsale_lease_valid_seconds", text, reading.lease_valid_seconds)
    if reading.etcd_reachable is not None:
        text = "1 while etcd answers this node with a majority behind it."
        yield GaugeMetricFamily("onsale_etcd_reachable", text, float(reading.etcd_reachable))
    text = "1 while no standby takes over by itself, as an operator said."
    yield GaugeMetricFamily("onsale_takeover_paused", text, float(reading.takeover_paused))


def _of_members(reading: Reading) -> Iterator[Metric]:
    """Members come and go by orders of operators, but their names are not ours: so many and no more."""
    members = sorted(reading.members, key=lambda each: each.name)
    shown, rest = members[:MEMBERS_SHOWN_MAX], members[MEMBERS_SHOWN_MAX:]
    seconds = GaugeMetricFamily(
        "onsale_member_lag_seconds", "How far a member is behind the primary, in time.", labels=("member", "role")
    )
    facts = GaugeMetricFamily(
        "onsale_member_lag_facts", "How far a member is behind the primary, in facts.", labels=("member", "role")
    )
    for each in shown:
        seconds.add_metric((each.name, each.role), each.lag_ms / 1000)
        facts.add_metric((each.name, each.role), each.lag_facts)
    if rest:
        seconds.add_metric((OTHER, OTHER), max(each.lag_ms for each in rest) / 1000)
        facts.add_metric((OTHER, OTHER), max(each.lag_facts for each in rest))
    yield seconds
    yield facts


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, count in values.items():
        family.add_metric((value,), count)
    return family
