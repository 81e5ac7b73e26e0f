"""The JSON schemas of bodies and answers, for the OpenAPI document.

Owns nothing that the wire types say themselves: schemas are generated from the very types that bodies are decoded
into and answers are encoded from, so they cannot drift apart. What those types cannot say (a string that is a time, or
one of a few words) is added here, by the field's name.
"""

from typing import Any, Final, get_args

import msgspec
from msgspec import UnsetType

from ...engine.codes import Code
from ...engine.money import EXPONENTS
from ...engine.status import BOOKING_NAMES, PAYMENT_NAMES, REFUND_NAMES, WAITLIST_NAMES
from .. import gateway
from ..render import bookings as render_bookings
from ..render import cluster as render_cluster
from ..render import events as render_events
from ..render import replies as render
from ..render.events import CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING
from ..wire import bookings as wire_bookings
from ..wire import cluster as wire_cluster
from ..wire import events as wire_events
from .error_guide import REQUEST_TIMEOUT

Schema = dict[str, Any]

REF: Final = "#/components/schemas/"

_TYPES: Final[dict[type, str]] = {
    wire_bookings.BookBody: "NewBooking",
    wire_bookings.PayBody: "NewPayment",
    wire_bookings.RefundBody: "NewRefund",
    wire_bookings.UserBody: "UserDetails",
    wire_events.CreateEventBody: "NewEvent",
    wire_events.TicketTypeBody: "NewTicketType",
    wire_events.ChangeEventBody: "EventChanges",
    wire_events.TicketTypeChangeBody: "TicketTypeChanges",
    render.BookedDocument: "Held",
    render.InLineDocument: "Waiting",
    render.GivenUpDocument: "GivenUp",
    render.TicketDocument: "Ticket",
    render.PaidDocument: "Paid",
    render.PaymentUnderwayDocument: "PaymentUnderway",
    render.RefundReplyDocument: "RefundStarted",
    render.UserDocument: "User",
    render_bookings.BookingDocument: "Booking",
    render_bookings.BookingWithRefundsDocument: "BookingInFull",
    render_bookings.PaymentDocument: "Payment",
    render_bookings.RefundDocument: "Refund",
    render_bookings.NoticeDocument: "Notification",
    render_events.EventItem: "EventInList",
    render_events.EventDocument: "Event",
    render_events.TypeDocument: "TicketType",
    render_events.AvailabilityDocument: "Availability",
    render_events.TypeCounts: "TicketTypeCounts",
    gateway.Member: "Member",
    render_cluster.ClusterDocument: "Cluster",
    render_cluster.ChangeDocument: "ClusterChange",
    wire_cluster.FailoverBody: "Failover",
    wire_cluster.SwitchoverBody: "Switchover",
    wire_cluster.SyncStandbysBody: "SyncStandbys",
}
REQUESTS: Final = (
    "NewBooking", "NewPayment", "NewRefund", "UserDetails",
    "NewEvent", "NewTicketType", "EventChanges", "TicketTypeChanges",
    "Failover", "Switchover", "SyncStandbys",
)  # fmt: skip

_NO_CONTROLS: Final = "[^\\u0000-\\u001f\\u007f-\\u009f]"
_TEXT: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*$"}
_LINES: Final[Schema] = {"pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"}
_NOT_BLANK: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*[^\\s\\u0000-\\u001f\\u007f-\\u009f]{_NO_CONTROLS}*$"}
_INSTANT: Final[Schema] = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_TIME: Final[Schema] = {"format": "date-time"}
_MONEY: Final[Schema] = {"pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?$"}
_ID: Final[Schema] = {"minimum": 1}
_COUNT: Final[Schema] = {"minimum": 0}
_WHERE_DECIDED: Final[Schema] = {"description": "in answers to writes: where in the journal it was decided"}
_NOT_YET: Final[Schema] = {"type": "null", "description": "not available in this version; leave it out"}
_ROLE: Final[Schema] = {"enum": list(gateway.ROLES)}
_DRY_RUN: Final[Schema] = {"description": "do nothing: say what would be done, or why not"}
_NO_CHALLENGE: Final[Schema] = {"enum": ["none"], "description": 'not available in this version beyond "none"'}


def _one_of(names: dict[int, str]) -> Schema:
    return {"enum": sorted(set(names.values()))}


_BOOKING_STATUS: Final = _one_of(BOOKING_NAMES)
_SALE_STATUS: Final[Schema] = {"enum": [CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING]}

_IN_BODIES: Final[dict[str, Schema]] = {
    **dict.fromkeys(("startsAt", "endsAt", "onSaleAt"), _TIME),
    **dict.fromkeys(("amount", "price"), _MONEY),
    **dict.fromkeys(("userId", "venue", "city", "country", "category", "paymentMethod"), _TEXT),
    **dict.fromkeys(("waitingRoom", "seatMap"), _NOT_YET),
    "name": _NOT_BLANK,
    "description": _LINES,
    "currency": {"enum": sorted(EXPONENTS)},
    "email": {"pattern": r"^[^@\s\u0000-\u001f\u007f-\u009f]{1,64}@[^@\s\u0000-\u001f\u007f-\u009f]+$"},
    "webhookUrl": {"pattern": "^https?://"},
}
_IN_ANSWERS: Final[dict[str, Schema]] = {
    **dict.fromkeys(("startsAt", "endsAt", "onSaleAt", "expiresAt", "createdAt", "at"), _INSTANT),
    **dict.fromkeys(("amount", "price", "priceFrom", "refundedAmount"), _MONEY),
    **dict.fromkeys(("id", "bookingId", "eventId", "paymentId", "refundId", "quantity", "position", "number"), _ID),
    **dict.fromkeys(("available", "held", "sold", "waiting", "capacity", "expiresInSeconds", "seq"), _COUNT),
    "currency": {"pattern": "^[A-Z]{3}$"},
    "provider": {"description": '"test" for the built-in test provider, else who takes the money'},
    "waitlist": _one_of(WAITLIST_NAMES),
    "seats": {"description": 'seats such as "section/row/number"; empty where the event has no seat map'},
}
_BY_PLACE: Final[dict[str, Schema]] = {
    "NewBooking.ticketType": {"description": "id or name; may be left out where the event has one ticket type"},
    "NewBooking.waitlist": {"description": "stand in line when nothing is free now"},
    "NewBooking.seats": {"maxItems": 0, "description": "no event has a seat map in this version"},
    "NewBooking.queueToken": {"description": "of someone admitted; no event has a waiting room in this version"},
    "NewBooking.challenge": {"description": "a solved challenge; no event asks for one in this version"},
    "NewPayment.bookingId": {"description": "needed only when the user holds several bookings at the event"},
    "NewPayment.amount": {"description": 'what the booking costs, in major units, such as "49.90"'},
    "NewRefund.amount": {"description": "all that is left, when left out"},
    "UserDetails.name": _TEXT,
    "NewEvent.challenge": _NO_CHALLENGE,
    "NewEvent.ticketTypes": {"minItems": 1, "maxItems": 100},
    "NewEvent.onSaleAt": {"description": "when the sale begins; at once, when left out"},
    "EventChanges.challenge": _NO_CHALLENGE,
    "TicketTypeChanges.name": {"description": "with id: its new name; without: which one, or a new one to add"},
    "Held.status": {"const": "held"},
    "Waiting.status": {"const": "waiting"},
    "GivenUp.status": {"const": "cancelled"},
    "Paid.status": {"const": "succeeded"},
    "Paid.bookingStatus": {"const": "confirmed"},
    "PaymentUnderway.status": {"enum": ["processing", "requires_action"]},
    "PaymentUnderway.bookingStatus": {"const": "paying"},
    "RefundStarted.status": _one_of(REFUND_NAMES),
    "RefundStarted.bookingStatus": _BOOKING_STATUS,
    "Booking.status": _BOOKING_STATUS,
    "BookingInFull.status": _BOOKING_STATUS,
    "Payment.status": _one_of(PAYMENT_NAMES),
    "Refund.status": _one_of(REFUND_NAMES),
    "Refund.reason": {"enum": ["event_cancelled", "requested", "surplus"]},
    "Notification.kind": {
        "enum": ["about_to_lapse", "cancelled", "confirmed", "held", "lapsed", "refunded", "your_turn"]
    },
    "Event.status": _SALE_STATUS,
    "Event.challenge": {"const": "none"},
    "Event.seq": _WHERE_DECIDED,
    "EventInList.status": _SALE_STATUS,
    "Availability.status": _SALE_STATUS,
    "User.seq": _WHERE_DECIDED,
    "Failover.to": _TEXT | {"description": "this one and no other; left out: the standby that is furthest ahead"},
    "Failover.acceptDataLoss": {"description": "go on where it cannot be proven that no answer is lost"},
    "Failover.syncStandbys": {"description": "how many standbys answers wait for from then on; left out: as now"},
    "Failover.dryRun": _DRY_RUN,
    "Switchover.to": _TEXT | {"description": "this one and no other; left out: the standby that is least behind"},
    "Switchover.dryRun": _DRY_RUN,
    "SyncStandbys.syncStandbys": {"description": "how many standbys answers to writes wait for"},
    "SyncStandbys.acceptDataLoss": {"description": "wait for fewer, though too few of those there were can be told"},
    "Member.role": _ROLE,
    "Member.state": {"enum": sorted(gateway.STATES)},
    "Member.address": {"description": "where it serves HTTP; empty where that is not known"},
    "Member.replication": {"description": "where other nodes reach it; empty where they cannot"},
    "Member.sync": {"description": "a standby in step with the primary: answers can rest on what it has"},
    "Member.ageMs": _COUNT | {"description": "how old this news of it is"},
    "Cluster.role": _ROLE,
    "Cluster.node": {"description": "the name of the node that answers"},
    "Cluster.syncStandbys": _COUNT | {"description": "how many standbys answers to writes wait for"},
    "Cluster.syncStandbysMet": _COUNT | {"description": "how many there are in step now"},
    "Cluster.primary": {"description": "its name; null while none is known"},
    "Cluster.primaryAddress": {"description": "where it serves HTTP; null while that is not known"},
    "Cluster.health": {"enum": list(render_cluster.HEALTHS), "description": "down: writes are not answered"},
    "Cluster.problems": {"description": "what is wrong, in sentences"},
    "ClusterChange.done": {"description": "false with dryRun: it can be done"},
    "ClusterChange.primary": {"description": "the name of the one that leads then"},
    "ClusterChange.sentences": {"description": "what was seen, what was done, and what is left to do"},
}

PROBLEM: Final[Schema] = {
    "description": "An error, as RFC 9457 has it. Further fields help to act on it; the list of codes says which.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "where its code is explained"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what is wrong here, and what to do about it"},
        "code": {"type": "string", "enum": [*(code.value for code in Code), REQUEST_TIMEOUT]},
        "field": {"type": "string", "description": "the field, parameter or header that is meant"},
        "retryAfterSeconds": {"type": "integer", "minimum": 0},
        "sentences": {
            "type": "array",
            "items": {"type": "string"},
            "description": "what was seen, why it is not safe, and what to do",
        },
        "fenced": {"const": True, "description": "another node leads in a higher epoch"},
        "primaryAddress": {"type": "string", "description": "where the primary serves HTTP"},
        "available": {"description": "how much there is, where too much was asked for", "type": ["integer", "string"]},
        "seq": {**_COUNT, "type": "integer", "description": "the position in the journal at which this was found"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}

HEALTH: Final[Schema] = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ok", "ready"]},
        "role": {"type": "string", **_ROLE},
        "seq": {**_COUNT, "type": "integer", "description": "everything up to here is durable"},
        "lagMs": {**_COUNT, "type": "integer", "description": "how far it is behind the primary"},
    },
    "required": ["status", "role", "seq"],
}

FACT: Final[Schema] = {
    "description": "One committed fact. Which further fields it has follows from its type.",
    "type": "object",
    "properties": {
        "seq": {"type": "integer", "minimum": 1},
        "at": {"type": "string", **_INSTANT},
        "epoch": {"type": "integer", "minimum": 0},
        "type": {"type": "string"},
    },
    "required": ["seq", "at", "epoch", "type"],
}


def schemas() -> dict[str, Schema]:
    """Every schema of the document, by name."""
    _, generated = msgspec.json.schema_components(list(_TYPES), ref_template=REF + "{name}")
    assert set(generated) == {kind.__name__ for kind in _TYPES}, "every type that is used has a name here"
    names = {kind.__name__: name for kind, name in _TYPES.items()}
    found = {name: _schema_of(kind, name, _renamed(generated[kind.__name__], names)) for kind, name in _TYPES.items()}
    return dict(sorted((found | {"Problem": PROBLEM, "Health": HEALTH, "Fact": FACT}).items()))


def _schema_of(kind: type, name: str, schema: Schema) -> Schema:
    del schema["title"]
    general = _IN_BODIES if name in REQUESTS else _IN_ANSWERS
    for field, value in schema["properties"].items():
        more = general.get(field, {}) | _BY_PLACE.get(f"{name}.{field}", {})
        schema["properties"][field] = _refined(_flat(value), more)
    if name not in REQUESTS:  # an answer leaves nothing out but what is UNSET
        schema["required"] = [
            field.encode_name for field in msgspec.structs.fields(kind) if UnsetType not in get_args(field.type)
        ]
    return schema


def ref(name: str) -> Schema:
    return {"$ref": REF + name}


def array_of(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    """The schema with its references under their public names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _renamed(value, names) for key, value in schema.items()}
    if "$ref" in renamed:
        renamed["$ref"] = REF + names[renamed["$ref"].removeprefix(REF)]
    return renamed


def _flat(schema: Schema) -> Schema:
    """Without what says nothing: a default of null, and an anyOf around a type and null."""
    flat = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    if "anyOf" not in flat:
        return flat
    options: list[Schema] = []
    for option in flat.pop("anyOf"):
        inner = _flat(option)
        flat |= {key: inner.pop(key) for key in ("description",) if key in inner}
        options += inner.get("anyOf", [inner])
    if len(options) == 2 and options[1] == {"type": "null"} and isinstance(options[0].get("type"), str):
        return flat | options[0] | {"type": [options[0]["type"], "null"]}
    return flat | {"anyOf": options}


def _refined(schema: Schema, more: Schema) -> Schema:
    """With what its type cannot say; of a field that may be several things, that applies to the kind it fits."""
    if more.get("type") == "null":
        return more
    if "const" in more or "enum" in more:
        schema = {key: value for key, value in schema.items() if key in ("description", "type", "default")}
    if "anyOf" not in schema:
        fitting = more if _fits(schema, more) else {key: more[key] for key in ("description",) if key in more}
        return schema | fitting
    options = [option | _but_description(more) if _fits(option, more) else option for option in schema["anyOf"]]
    return schema | {key: more[key] for key in ("description",) if key in more} | {"anyOf": options}


def _but_description(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "description"}


def _fits(schema: Schema, more: Schema) -> bool:
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if "minimum" in more:
        return "integer" in kinds
    if "maxItems" in more:
        return "array" in kinds
    return "string" in kinds if "pattern" in more else True
