"""The JSON schemas of bodies and answers, for the OpenAPI document.

Owns nothing that the wire types say themselves: schemas are generated from the very types that bodies are decoded
into and answers are encoded from, so they cannot drift apart. What those types cannot say is added from
openapi_fields.py.
"""

from typing import Any, Final, get_args

import msgspec
from msgspec import UnsetType

from ...engine.codes import Code
from .. import gateway
from ..render import bookings as render_bookings
from ..render import cluster as render_cluster
from ..render import events as render_events
from ..render import outbox as render_outbox
from ..render import receipts as render_receipts
from ..render import replies as render
from ..render import reports as render_reports
from ..render import rooms as render_rooms
from ..render import seats as render_seats
from ..render import tickets as render_tickets
from ..wire import bookings as wire_bookings
from ..wire import cluster as wire_cluster
from ..wire import events as wire_events
from ..wire import outbox as wire_outbox
from ..wire import rooms as wire_rooms
from ..wire import seats as wire_seats
from ..wire import tickets as wire_tickets
from .error_guide import REQUEST_TIMEOUT
from .openapi_fields import BY_PLACE, COUNT, IN_ANSWERS, IN_BODIES, INSTANT, ROLE, Schema

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
    render_events.ProgressDocument: "Progress",
    wire_seats.SeatMapBody: "NewSeatMap",
    wire_seats.SectionBody: "NewSection",
    wire_seats.RowBody: "NewRow",
    render_seats.SeatMapDocument: "SeatMap",
    render_seats.SectionDocument: "Section",
    render_seats.RowDocument: "Row",
    render_seats.SeatDocument: "Seat",
    render_seats.ChangedSeatsDocument: "ChangedSeats",
    render_seats.ChangedSeatDocument: "ChangedSeat",
    wire_rooms.RoomBody: "NewWaitingRoom",
    wire_rooms.RoomChangeBody: "WaitingRoomChanges",
    wire_rooms.JoinQueueBody: "NewPlaceInQueue",
    render_rooms.RoomDocument: "WaitingRoom",
    render_rooms.QueueDocument: "Queue",
    render_rooms.DrawDocument: "Draw",
    render_rooms.PlaceDocument: "PlaceInQueue",
    render_rooms.QueuedDocument: "Queued",
    render_rooms.LeftDocument: "QueueLeft",
    wire_tickets.CheckInBody: "NewCheckIn",
    render.AdmittedDocument: "Admitted",
    render.ReceivedDocument: "Received",
    render.DoneDocument: "Done",
    render_tickets.TicketViewDocument: "TicketAtTheDoor",
    render_tickets.TicketKeyDocument: "TicketKey",
    wire_outbox.RetryBody: "Retry",
    wire_outbox.CloseConcernBody: "ConcernToClose",
    wire_outbox.ReconcileBody: "NewReconciliation",
    render_outbox.OutboxDocument: "Outbox",
    render_outbox.TotalsDocument: "OutboxTotals",
    render_outbox.LaneDocument: "Lane",
    render_outbox.FailedRefundDocument: "FailedRefund",
    render_outbox.DeadMessageDocument: "DeadMessage",
    render_outbox.ConcernDocument: "Concern",
    render_outbox.RetriedDocument: "Retried",
    render_outbox.NotRetriedDocument: "NotRetried",
    render_outbox.ReconciliationDocument: "Reconciliation",
    render_outbox.FindingDocument: "Finding",
    render_receipts.ReceiptDocument: "Receipt",
    render_receipts.ProofDocument: "ReceiptProof",
    render_receipts.HeadDocument: "JournalHead",
    render_receipts.GrowthDocument: "JournalGrowth",
    render_reports.StoryAnswer: "StoryReport",
    render_reports.StoryDocument: "Story",
    render_reports.ToldDocument: "FactInWords",
    render_reports.FairnessAnswer: "FairnessReport",
    render_reports.FairnessDocument: "Fairness",
    render_reports.SummaryDocument: "FairnessSummary",
    render_reports.RuleDocument: "FairnessRule",
    render_reports.ExceptionDocument: "FairnessException",
    render_reports.ProgressOfReading: "ProgressOfReading",
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
    "NewSeatMap", "NewSection", "NewRow",
    "NewWaitingRoom", "WaitingRoomChanges", "NewPlaceInQueue",
    "NewCheckIn", "Retry", "ConcernToClose", "NewReconciliation",
    "Failover", "Switchover", "SyncStandbys",
)  # fmt: skip

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
        "eventId": {"type": "integer", "minimum": 1, "description": "the event that a ticket is for"},
        "redeemedAt": {"type": "string", **INSTANT, "description": "when the ticket was checked in"},
        "place": {"type": "string", "description": "where the ticket was checked in"},
        "seats": {
            "type": "array",
            "items": {"type": "string"},
            "description": "the seats that are meant, where seats were named",
        },
        "available": {"description": "how much there is, where too much was asked for", "type": ["integer", "string"]},
        "seq": {**COUNT, "type": "integer", "description": "the position in the journal at which this was found"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}

HEALTH: Final[Schema] = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ok", "ready"]},
        "role": {"type": "string", **ROLE},
        "seq": {**COUNT, "type": "integer", "description": "everything up to here is durable"},
        "lagMs": {**COUNT, "type": "integer", "description": "how far it is behind the primary"},
    },
    "required": ["status", "role", "seq"],
}

STRIPE_EVENT: Final[Schema] = {
    "description": "An event as Stripe sends it, to the byte: that is what is signed.",
    "type": "object",
    "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
}

FACT: Final[Schema] = {
    "description": "One committed fact. Which further fields it has follows from its type.",
    "type": "object",
    "properties": {
        "seq": {"type": "integer", "minimum": 1},
        "at": {"type": "string", **INSTANT},
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
    more = {"Problem": PROBLEM, "Health": HEALTH, "Fact": FACT, "StripeEvent": STRIPE_EVENT}
    return dict(sorted((found | more).items()))


def _schema_of(kind: type, name: str, schema: Schema) -> Schema:
    del schema["title"]
    general = IN_BODIES if name in REQUESTS else IN_ANSWERS
    for field, value in schema["properties"].items():
        more = general.get(field, {}) | BY_PLACE.get(f"{name}.{field}", {})
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
