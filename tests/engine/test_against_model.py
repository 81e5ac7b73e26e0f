"""Random commands at random times: the engine and a naive model must agree about everything.

ONSALE_EXAMPLES=20000 plays more, and others each time.
"""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine import commands as c
from onsale.tests.engine.chance import AFTERWARDS, ONSALE, Chance
from onsale.tests.engine.run import START_MS, Run, ended_at_most, promotions_at_most

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


def begin_onsale(run: Run, waitlist: int, capacity: int, max_per_user: int, *, shuffle: bool) -> None:
    """Any of two types at the first event, a waiting room at the second."""
    limits = {"max_per_user": max_per_user, "waitlist": waitlist}
    types = (c.TypeSpec("A", "10", capacity), c.TypeSpec("B", "12", 2))
    run.ask(c.CreateEvent("first", START_MS + 500_000_000, types, offer_ms=20_000, **limits))
    room = c.RoomSpec(60, max_inside=2, opens_ms=START_MS + 60_000, shuffle=shuffle, by_stock=False, turn_ms=60_000)
    types, challenge = (c.TypeSpec("A", "5", 3),), int(shuffle)
    far_ms = START_MS + 500_000_000
    run.ask(c.CreateEvent("second", far_ms, types, room=room, seed=b"s" * 32, challenge=challenge, **limits))


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


@FULL
@given(
    steps=STEPS,
    waitlist=st.sampled_from([1, 2, 0]),
    capacity=st.sampled_from([4, 2, 6]),
    max_per_user=st.sampled_from([8, 4]),
    promotions_max=st.sampled_from([1_000, 1, 2]),
    chores_max=st.sampled_from([128, 1, 2]),
    shuffle=st.booleans(),
)
def test_engine_and_model_agree_about_the_first_minute_of_a_sale(
    steps, waitlist, capacity, max_per_user, promotions_max, chores_max, shuffle
):
    with promotions_at_most(promotions_max):
        run = Run(promotions_max, chores_max)
        begin_onsale(run, waitlist, capacity, max_per_user, shuffle=shuffle)
        chance = Chance(run, ONSALE)
        for number in steps:
            chance.step(number)
            run.do_chores()
        run.replay()


@FULL
@given(
    steps=STEPS,
    waitlist=st.sampled_from([1, 2, 0]),
    capacity=st.sampled_from([4, 6, 9]),
    chores_max=st.sampled_from([128, 1, 2]),
    paid=st.integers(1, 4),
)
def test_engine_and_model_agree_about_what_is_left_to_do_months_later(steps, waitlist, capacity, chores_max, paid):
    run = Run(1_000, chores_max)
    begin(run, waitlist, capacity, 4)
    for number in range(paid):
        run.ask(c.Book(f"user-{number}", 1, 300_000, "A"))
        run.ask(c.StartPayment(f"user-{number}", 1, "10"))
        run.ask(c.SettlePayment(number + 1, c.PaymentSucceededOutcome("pi_1"), 300_000))
    run.now_ms += 500_000_000
    chance = Chance(run, AFTERWARDS)
    for number in steps:
        chance.step(number)
        run.do_chores()
    run.replay()


@settings(FULL, max_examples=EXAMPLES or 100)
@given(
    steps=STEPS,
    capacity=st.sampled_from([4, 6, 9]),
    chores_max=st.sampled_from([128, 1, 2]),
    ended_max=st.sampled_from([0, 1, 3]),
    eager=st.booleans(),
)
def test_engine_and_model_agree_about_what_leaves_memory_sooner(steps, capacity, chores_max, ended_max, eager):
    run = Run(1_000, chores_max)
    with ended_at_most(run, ended_max):
        begin(run, 1, capacity, 4)
        chance = Chance(run)
        for number in steps:
            chance.step(number)
            if eager:
                run.do_chores()
        run.do_chores()
        run.replay()
