"""Random commands at random times: the engine and a naive model must agree about everything.

ONSALE_EXAMPLES=20000 plays more, and others each time.
"""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine import commands as c
from onsale.tests.engine.chance import Chance
from onsale.tests.engine.run import START_MS, Run, promotions_at_most

EXAMPLES = int(os.environ.get("ONSALE_EXAMPLES", "0"))
FULL = settings(max_examples=EXAMPLES or 300, derandomize=not EXAMPLES, database=None, deadline=None)
STEPS = st.sampled_from([100, 0]).flatmap(
    lambda length: st.lists(st.integers(0, 2**64 - 1), min_size=length, max_size=length + 20)
)


def begin(run: Run, waitlist: int, capacity: int, max_per_user: int) -> None:
    types = (c.TypeSpec("A", "10", capacity), c.TypeSpec("B", "0", 2))
    limits = {"max_per_user": max_per_user, "waitlist": waitlist}
    run.ask(c.CreateEvent("first", START_MS + 500_000_000, types, **limits))
    run.ask(c.CreateEvent("second", START_MS + 5_000_000, (c.TypeSpec("A", "5", 3),), currency="JPY", **limits))


@FULL
@given(
    steps=STEPS,
    waitlist=st.sampled_from([1, 2, 1, 2, 0]),
    capacity=st.sampled_from([4, 1, 2, 6, 9]),
    max_per_user=st.sampled_from([4, 2, 8, 12]),
    promotions_max=st.sampled_from([1_000, 1, 2]),
    chores_max=st.sampled_from([128, 1, 2]),
    eager=st.booleans(),
)
def test_engine_and_model_agree_and_any_checkpoint_with_the_rest_of_the_journal_gives_the_same_state(
    steps, waitlist, capacity, max_per_user, promotions_max, chores_max, eager
):
    """`eager`: what is due is done after each command, as by an idle node; else at times, as by a busy one."""
    with promotions_at_most(promotions_max):
        run = Run(promotions_max, chores_max)
        begin(run, waitlist, capacity, max_per_user)
        chance = Chance(run)
        for number in steps:
            chance.step(number)
            if eager:
                run.do_chores()
        run.do_chores()
        run.replay()
