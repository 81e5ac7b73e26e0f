"""Queue tokens: the same everywhere, and worth nothing to anybody else."""

import pytest

from onsale.engine.records import Place, Secret
from onsale.engine.state import TICKET_KEY, State, place_id
from onsale.engine.status import PLACE_WAITING
from onsale.node.queue_tokens import TOKEN_CHARACTERS, QueueTokens


def a_state(key: bytes = b"k" * 32, user_id: str = "ann") -> State:
    state = State()
    if key:
        state.secrets.add(TICKET_KEY, Secret(TICKET_KEY, key))
    number = place_id(7, 5)
    state.places.add(number, Place(number, 7, 5, user_id, PLACE_WAITING, 0, 1))
    return state


def test_a_token_names_its_place_on_every_node() -> None:
    token = QueueTokens(a_state()).of(7, 5, "ann")
    assert len(token) == TOKEN_CHARACTERS
    assert token == QueueTokens(a_state()).of(7, 5, "ann")
    assert QueueTokens(a_state()).read(token) == place_id(7, 5)


def test_a_token_is_the_users_alone() -> None:
    token = QueueTokens(a_state()).of(7, 5, "ann")
    assert QueueTokens(a_state(user_id="bob")).read(token) == 0
    assert QueueTokens(a_state(key=b"o" * 32)).read(token) == 0


@pytest.mark.parametrize(
    "forged",
    ["", "x", "A" * TOKEN_CHARACTERS, "ä" * TOKEN_CHARACTERS, "=" * TOKEN_CHARACTERS, "\ud800" * 36, "A" * 999],
)
def test_what_was_not_made_here_names_nothing(forged: str) -> None:
    assert QueueTokens(a_state()).read(forged) == 0


def test_every_changed_character_is_noticed() -> None:
    tokens = QueueTokens(a_state())
    token = tokens.of(7, 5, "ann")
    for place, old in enumerate(token):
        new = "A" if old != "A" else "B"
        assert tokens.read(token[:place] + new + token[place + 1 :]) == 0


def test_a_place_that_is_forgotten_is_named_by_nothing() -> None:
    state = a_state()
    tokens = QueueTokens(state)
    token = tokens.of(7, 5, "ann")
    state.places.drop(place_id(7, 5), archive=False)
    assert tokens.read(token) == 0


def test_a_node_without_a_key_makes_and_knows_none_until_it_has_one() -> None:
    state = a_state(key=b"")
    tokens = QueueTokens(state)
    assert tokens.of(7, 5, "ann") == ""
    assert tokens.read("A" * TOKEN_CHARACTERS) == 0
    state.secrets.add(TICKET_KEY, Secret(TICKET_KEY, b"k" * 32))
    assert tokens.read(tokens.of(7, 5, "ann")) == place_id(7, 5)
