"""What is true of every state, whatever happened: `check(state)`.

Owns the invariants, each recomputed from the rows alone in the plainest way, so that it shares no mistake with the
indexes it checks. Runs in tests and simulations; it looks at everything, and costs accordingly. Changes nothing.

Not here, because a state cannot tell: `max_per_user` (an organiser may lower it below what someone has already), and
whether lines and waiting rooms were served in order (see engine/audit, which reads the facts).
"""

from ..state import State
from .bookings import check_bookings, check_deadlines, check_ids, check_sales
from .cluster import check_cluster, check_table
from .money import check_money, check_provider, check_settling
from .onsale import check_challenges, check_rooms, check_seats
from .people import check_entries, check_keys, check_messages, check_telling

_CHECKS = (
    check_ids,
    check_sales,
    check_bookings,
    check_deadlines,
    check_money,
    check_settling,
    check_messages,
    check_telling,
    check_entries,
    check_provider,
    check_keys,
    check_seats,
    check_rooms,
    check_challenges,
    check_cluster,
)


def check(state: State) -> None:
    """Raises AssertionError naming the fault."""
    for each in _CHECKS:
        each(state)
    for name, table in state.tables.items():
        check_table(name, table)
