"""The OpenAPI 3.1 document of this version.

Owns the document as a whole and the text at its head. It describes what this version serves and nothing that is to
come; tests hold it against the routes, and against the answers of a running server.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from . import (
    openapi_bookings,
    openapi_challenges,
    openapi_events,
    openapi_node,
    openapi_outbox,
    openapi_queue,
    openapi_receipts,
    openapi_reports,
    openapi_seats,
    openapi_tickets,
)
from .openapi_parts import HEADERS, PARAMETERS, Operation, connection_responses, rendered
from .openapi_schemas import schemas

OPERATIONS: Final[Sequence[Operation]] = (
    *openapi_events.OPERATIONS,
    *openapi_seats.OPERATIONS,
    *openapi_challenges.OPERATIONS,
    *openapi_queue.OPERATIONS,
    *openapi_bookings.OPERATIONS,
    *openapi_tickets.OPERATIONS,
    *openapi_receipts.OPERATIONS,
    *openapi_outbox.OPERATIONS,
    *openapi_reports.OPERATIONS,
    *openapi_node.OPERATIONS,
)

TAGS: Final = {
    "Events": "What is on, and what organisers do with it.",
    "Bookings": "Holds, places in line, refunds.",
    "Payments": "From a hold to tickets.",
    "Tickets": "Their codes, and letting people in.",
    "Users": "What is known of people, and what they were told.",
    "Outbox": "What is owed to the payment provider and to people, for operators.",
    "Cluster": "Who leads, who follows, and operators' orders about it.",
    "Node": "For operators, load balancers and tools.",
}

CONVENTIONS: Final = {
    "Bodies": (
        "JSON in and out, UTF-8. Times are RFC 3339 in UTC with milliseconds. Money is a decimal string in major units "
        'beside an ISO 4217 `currency`: `"49.90"` and `"EUR"`, `"500"` and `"JPY"`. Ids are positive integers; '
        'requests take `7` or `"7"`. A field or query parameter that is not known is refused by name.'
    ),
    "Order": (
        "Whoever asks first is served first. Every answer says in `Onsale-Seq` the position in the journal it reflects "
        "or was decided at. A read sent with `Onsale-Min-Seq` answers from a state at least that new."
    ),
    "Safe retries": (
        "Send an `Idempotency-Key` with any write. The same key and body within 24 hours give the first answer again, "
        "byte for byte, with `Idempotency-Replayed: true`."
    ),
    "Durability": (
        "An answer, a refusal included, leaves only after everything it rests on is on disk, and on as many standbys "
        "as the cluster waits for."
    ),
    "Any node": (
        "Any node takes any call. Reads are answered where they are asked; a write is decided by the primary, whose "
        "answer another node passes on as it is. With `Onsale-Ask: primary` an operator has the primary answer what "
        "another node is asked: a switchover, or its metrics."
    ),
    "Lists": (
        'Lists are plain arrays. `limit` is how many at most; the next page is in the header `Link: <…>; rel="next"`.'
    ),
    "Access": (
        "Where access is configured, send `Authorization: Bearer <JWT>`. Its role `user` acts for its own `sub` alone, "
        "`service` for any user, `organiser` manages events, `operator` may do everything. A node without it serves "
        "its own machine only, and needs no token. Events can be read without one anywhere."
    ),
    "Errors": (
        "Every error is `application/problem+json` (RFC 9457) with a stable `code`, a `detail` that says what to do, "
        "and fields that help to do it. 425, 429 and 503 carry `Retry-After`."
    ),
    "Requests by name": (
        "Send an `X-Request-Id` of your own (1 to 128 visible ASCII characters) with any call: its answer says it "
        "again, and the logs of every node it passed have it. An error has one in any case; tell it to the operator."
    ),
}


@cache
def openapi_document(version: str) -> bytes:
    """The whole document as JSON, as it is served."""
    return msgspec.json.encode(describe(version))


def describe(version: str) -> dict[str, Any]:
    """The whole document, made anew."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = rendered(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Onsale",
            "version": version,
            "summary": "An event-booking engine for the moment when everyone wants the same tickets.",
            "description": "\n\n".join(f"**{title}.** {text}" for title, text in CONVENTIONS.items()),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": connection_responses(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Make one with `onsale token`. Claims: `sub`, `role`, `exp`.",
                }
            },
        },
    }
