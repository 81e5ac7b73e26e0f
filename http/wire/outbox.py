"""The bodies of operators' calls about money and messages: trying again, closing a concern, reconciling.

Owns which fields they take.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from .body import BodyDecoder, Id, Switch, check_text, invalid_field, to_id, to_ms
from .times import parse_day

CONCERN_ID_CHARACTERS_MAX: Final = 1_000
RETRIED_IDS_MAX: Final = 1_000

Ids = Annotated[list[Id], Meta(max_length=RETRIED_IDS_MAX, description=f"a list of at most {RETRIED_IDS_MAX} ids")]
ConcernId = Annotated[
    str, Meta(min_length=1, max_length=CONCERN_ID_CHARACTERS_MAX, description="the id of a concern, as it is listed")
]
Since = Annotated[
    str, Meta(max_length=64, description='a day such as "2026-11-22" or a time such as "2026-11-22T10:00:00Z"')
]


class RetryBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    refund_ids: Ids | None = None
    delivery_ids: Ids | None = None
    all: Switch = False


class CloseConcernBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    id: ConcernId


class ReconcileBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    since: Since | None = None


class Retry(msgspec.Struct):
    """What is to be tried again: these, or all there is."""

    refund_ids: list[int]
    delivery_ids: list[int]
    all: bool


_retry: Final = BodyDecoder(RetryBody)
_close: Final = BodyDecoder(CloseConcernBody)
_reconcile: Final = BodyDecoder(ReconcileBody, may_be_empty=True)


def retry_body(body: bytes) -> Retry:
    asked = _retry.decode(body)
    refund_ids, delivery_ids = _ids(asked.refund_ids, "refundIds"), _ids(asked.delivery_ids, "deliveryIds")
    if asked.all and (refund_ids or delivery_ids):
        raise invalid_field("all", "must not be true together with refundIds or deliveryIds")
    if not (asked.all or refund_ids or delivery_ids):
        raise invalid_field("refundIds", "or deliveryIds must name what to try again; or send all as true")
    return Retry(refund_ids, delivery_ids, asked.all)


def close_concern_body(body: bytes) -> str:
    """The concern's id."""
    return check_text(_close.decode(body).id, "id")


def reconcile_body(body: bytes) -> int | None:
    """Since when, in milliseconds since 1970; None: it does not say."""
    since = _reconcile.decode(body).since
    if since is None:
        return None
    day_ms = parse_day(since)
    return to_ms(since, "since") if day_ms is None or day_ms < 0 else day_ms


def _ids(ids: list[int | str] | None, field: str) -> list[int]:
    """Each once."""
    return list(dict.fromkeys(to_id(each, f"{field}[{place}]") for place, each in enumerate(ids or ())))
