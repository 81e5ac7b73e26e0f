"""The codes that callers may rely on, as the contract lists them."""

import pytest

from onsale.engine.codes import TRANSIENT, Code

PROMISED = """
invalid_json invalid_field unknown_field unauthenticated forbidden no_such_event no_such_booking no_such_user sold_out
not_on_sale event_cancelled already_paid ambiguous_booking wrong_status already_redeemed hold_expired too_large
limit_per_user amount_mismatch idempotency_mismatch invalid_seats too_early payment_declined rate_limited queue_required
challenge_required no_primary not_durable replica_behind overloaded
"""


@pytest.mark.parametrize("name", PROMISED.split())
def test_a_promised_code_is_there(name):
    assert Code(name) == name


def test_no_code_is_called_otherwise_than_it_is_written():
    assert all(code.name.lower() == code.value for code in Code)


def test_what_asks_to_be_tried_again_is_not_kept_as_the_answer_to_a_key():
    asks_again = {"too_early", "rate_limited", "queue_required", "challenge_required"}
    assert asks_again | {"no_primary", "not_durable", "replica_behind", "overloaded"} == TRANSIENT
