"""What the command says, and how it ends."""

from unittest import mock

import pytest

from onsale.tests.simulation import planted, run


def call(*arguments: str) -> int:
    with mock.patch("sys.argv", ["run", *arguments]):
        return run.main()


def test_clean_seeds_end_with_0(capsys: pytest.CaptureFixture[str]):
    assert call("--seeds", "3", "--first", "2", "--jobs", "1") == 0
    assert capsys.readouterr().out.startswith("3 seeds, ")


def test_one_seed_is_told_in_full(capsys: pytest.CaptureFixture[str]):
    assert call("--seed", "2") == 0
    told = capsys.readouterr().out
    assert "leads in epoch 1" in told
    assert "seed 2: every promise was kept" in told


def test_a_failing_seed_is_named_with_its_trace_and_ends_with_1(capsys: pytest.CaptureFixture[str]):
    with planted.skipping_facts():
        assert call("--seeds", "2", "--jobs", "1") == 1
        told = capsys.readouterr().out
        assert "VIOLATION" in told
        assert "python -m onsale.tests.simulation.run --seed 1" in told
        assert "2 failed: 1 2" in told
        assert call("--seed", "1") == 1
        assert "seed 1: r1 has another state" in capsys.readouterr().out


def test_seeds_are_shared_among_processes(capsys: pytest.CaptureFixture[str]):
    assert call("--seeds", "42", "--jobs", "2") == 0
    alone = {outcome.seed: outcome.trace_hash for outcome in run.simulate_all(range(1, 4), "safe", 1)}
    shared = {outcome.seed: outcome.trace_hash for outcome in run.simulate_all(range(1, 42), "safe", 2)}
    assert len(shared) == 41
    assert {seed: shared[seed] for seed in alone} == alone
