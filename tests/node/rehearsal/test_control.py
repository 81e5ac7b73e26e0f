"""Where there is a button at all. What it does is tested with real nodes: tests/processes/test_rehearsal.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from onsale.effects.sandbox import SandboxProvider
from onsale.node.options import NodeOptions
from onsale.node.rehearsal.control import sample_rehearsal


@pytest.mark.parametrize(
    ("sample", "demo", "provider", "there"),
    [
        (False, False, SandboxProvider.name, False),
        (True, False, SandboxProvider.name, True),
        (False, True, SandboxProvider.name, True),
        (True, True, "stripe", False),
    ],
)
def test_it_is_for_the_sample_alone_where_no_money_moves(
    options: NodeOptions, *, sample: bool, demo: bool, provider: str, there: bool
) -> None:
    made = sample_rehearsal(replace(options, sample=sample, demo=demo), provider, lambda: "http://127.0.0.1:1")
    assert (made is not None) == there


@pytest.fixture
def options() -> NodeOptions:
    return NodeOptions("serve", Path("data"), "127.0.0.1", 0, None, 300_000, "human")
