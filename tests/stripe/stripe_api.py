"""Which request means what: from a method, a path and its parameters to the object that is answered."""

import stripe_intents as intents
import stripe_refunds as refunds
from stripe_account import Account
from stripe_errors import Json, Refusal, invalid
from stripe_forms import only, texts


def execute(account: Account, method: str, path: str, params: Json) -> Json:
    """The answer to be sent with 200. Raises Refusal, having executed nothing unless it is `stored`."""
    paths = texts(params, "expand")
    params = {name: value for name, value in params.items() if name != "expand"}
    result = _operate(account, method, path, params)
    try:
        return account.expanded(result, paths)
    except Refusal as refusal:
        refusal.stored = True  # what was asked for has been done
        raise


def _operate(account: Account, method: str, path: str, params: Json) -> Json:
    match method, path.removeprefix("/v1/").split("/"):
        case "POST", ["payment_intents"]:
            return intents.create(account, params)
        case "POST", ["payment_intents", intent, "confirm"]:
            return intents.confirm(account, account.find("payment_intent", intent, "intent", status=404), params)
        case "POST", ["payment_intents", intent, "cancel"]:
            return intents.cancel(account, account.find("payment_intent", intent, "intent", status=404), params)
        case "POST", ["refunds"]:
            return refunds.create(account, params)
        case "GET", ["payment_intents"]:
            return account.page("payment_intent", params, "customer")
        case "GET", ["refunds"]:
            return account.page("refund", params, "charge", "payment_intent")
        case "GET", ["charges"]:
            return account.page("charge", params, "payment_intent", "customer")
        case "GET", ["disputes"]:
            return account.page("dispute", params, "charge", "payment_intent")
        case "GET", ["events"]:
            return account.page("event", params, "type")
        case "GET", [
            ("payment_intents" | "refunds" | "charges" | "disputes" | "events" | "payment_methods") as many,
            row,
        ]:
            only(params, {"client_secret"} if many == "payment_intents" else ())
            kind = many[:-1]
            return account.find(kind, row, "intent" if kind == "payment_intent" else "id", status=404)
    raise invalid(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
    )
