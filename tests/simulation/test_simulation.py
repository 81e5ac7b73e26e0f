"""A short run of the simulation, and what makes it worth running: it repeats itself exactly, and it finds faults."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest

from onsale.tests.simulation import planted
from onsale.tests.simulation.plan import make_plan
from onsale.tests.simulation.run import simulate
from onsale.tests.simulation.simulation import Outcome

SHORT_RUN = range(1, 41)
SEEDS_TO_FIND_A_FAULT = range(1, 1001)
LOST = ("without the batch", "cuts off what", "has another history", "what was answered is not there")


def test_every_promise_is_kept():
    outcomes = [simulate(seed) for seed in SHORT_RUN]
    assert not [f"seed {outcome.seed}: {outcome.fault}" for outcome in outcomes if outcome.fault]
    assert sum(outcome.answers for outcome in outcomes) > 20 * len(outcomes), "clients were answered"
    assert sum(outcome.epochs for outcome in outcomes) > 2 * len(outcomes), "leadership changed hands"


def test_where_loss_is_accepted_the_nodes_agree_in_the_end():
    outcomes = [simulate(seed, "data-loss") for seed in range(1, 11)]
    assert not [f"seed {outcome.seed}: {outcome.fault}" for outcome in outcomes if outcome.fault]


def test_with_a_lease_the_cluster_is_whole_again_without_a_person():
    outcomes = [simulate(seed, "lease") for seed in range(1, 31)]
    assert not [f"seed {outcome.seed}: {outcome.fault}" for outcome in outcomes if outcome.fault]
    takeovers = [line for outcome in outcomes for line in outcome.lines if "Nobody has the lease." in line]
    assert len(takeovers) > 5


@pytest.mark.parametrize("mode", ["safe", "lease"])
def test_a_seed_repeats_itself_event_for_event(mode: str):
    once, again = simulate(7, mode), simulate(7, mode)
    assert once == again
    assert len(once.lines) > 100


def test_a_seed_repeats_itself_in_another_process():
    """Where the hashes of strings, and so the orders of sets of them, are others."""
    program = "from onsale.tests.simulation.run import simulate; print(simulate(12).trace_hash)"
    environment = dict(os.environ, PYTHONHASHSEED="12345")
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == simulate(12).trace_hash


def test_seeds_differ():
    assert len({simulate(seed).trace_hash for seed in range(1, 6)}) == 5
    assert len({repr(make_plan(seed)).partition(",")[2] for seed in range(1, 50)}) > 45


@pytest.mark.parametrize(
    ("plant", "found_as"),
    [
        pytest.param(planted.ack_before_sync, LOST, id="acknowledged before it is synced"),
        pytest.param(planted.apply_skips_a_fact, ("has another state",), id="apply skips a fact"),
        pytest.param(planted.lower_epoch_accepted, LOST, id="a lower epoch is accepted"),
        pytest.param(planted.lease_forgotten, ("when its lease is over",), id="a lease is taken to last for ever"),
    ],
)
def test_a_fault_put_in_on_purpose_is_found(plant: Callable[[int], Outcome], found_as: tuple[str, ...]):
    for seed in SEEDS_TO_FIND_A_FAULT:
        found = plant(seed)
        if any(sign in found.fault for sign in found_as):
            break
    else:
        pytest.fail(f"not found in {len(SEEDS_TO_FIND_A_FAULT)} seeds")
    assert "VIOLATION" in found.lines[-1]
    assert plant(seed) == found, "and it is found again"
    mode = "lease" if plant is planted.lease_forgotten else "safe"
    assert not simulate(seed, mode).fault, "without the fault nothing is wrong with this seed"


def test_the_trace_is_in_order_of_time():
    times = [float(line.split()[0]) for line in simulate(3).lines]
    assert all(one <= other for one, other in pairwise(times))
