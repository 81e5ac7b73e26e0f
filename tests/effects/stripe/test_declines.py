import pytest

from onsale.effects.stripe.declines import _SENTENCES, GENERIC, NOT_BEGUN, explain, of_a_refusal


@pytest.mark.parametrize(
    "why", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist", "highest_risk_level"]
)
def test_suspicion_reads_like_any_other_decline(why: str) -> None:
    assert explain("card_declined", why) == explain("card_declined", "generic_decline") == GENERIC
    assert explain(why) == GENERIC
    assert explain("incorrect_cvc", why) == GENERIC


def test_the_bank_says_more_than_the_code() -> None:
    assert explain("card_declined", "insufficient_funds").code == "insufficient_funds"
    assert explain("expired_card", None).code == "expired_card"
    assert explain("expired_card", "something_new").code == "expired_card"
    assert explain("card_declined", "something_new") == explain(None, None) == GENERIC


def test_every_sentence_can_be_acted_on_and_blames_nobody() -> None:
    said = [*_SENTENCES.values(), GENERIC.sentence, NOT_BEGUN.sentence]
    for sentence in said:
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not any(word in sentence.lower() for word in (" you ", "your ", "stolen", "lost", "fraud", "suspic"))
    assert [sentence for sentence in said if ";" not in sentence] == ["The attempt was withdrawn."]


def test_which_refusals_are_about_the_method() -> None:
    assert of_a_refusal("resource_missing", "payment_method", 400) == explain("no_such_payment_method")
    assert of_a_refusal(None, None, 404) == explain("no_such_payment_method")
    assert of_a_refusal("amount_too_small", "amount", 400) == explain("amount_too_small")
    assert of_a_refusal("payment_method_unactivated", "payment_method_types", 400) is not None
    assert of_a_refusal(None, "payment_method", 400) is not None
    assert of_a_refusal("parameter_unknown", "metadata", 400) is None
    assert of_a_refusal(None, None, 400) is None
