"""The calls for proofs, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from .openapi_parts import BOOKING_ID, Kind, Node, Operation, Reply, parameter, shared
from .openapi_schemas import ref

_HASH: Final = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
_JOURNAL_ID: Final = "000102030405060708090a0b0c0d0e0f"
_HEAD: Final[dict[str, Any]] = {
    "version": 1,
    "journalId": _JOURNAL_ID,
    "seq": 61,
    "epoch": 1,
    "at": "2026-11-22T10:00:00.000Z",
    "batchHash": _HASH,
    "treeSize": 8,
    "root": _HASH,
    "peaks": [_HASH],
    "consistency": None,
}
_RECEIPT: Final[dict[str, Any]] = {
    "version": 1,
    "journalId": _JOURNAL_ID,
    "bookingId": 1,
    "seq": 57,
    "at": "2026-11-22T10:00:00.000Z",
    "epoch": 1,
    "batchHash": _HASH,
    "fact": {
        "type": "held",
        "bookingId": 1,
        "userId": "u-1",
        "eventId": 3,
        "ticketTypeId": 1,
        "quantity": 2,
        "amountMinor": 13600,
        "expiresAt": "2026-11-22T10:05:00.000Z",
        "seats": [],
    },
    "proof": {
        "salt": _HASH[:32],
        "fact": "980a01a3752d3103010202cd3520",
        "firstSeq": 57,
        "count": 1,
        "atMs": 1795341600000,
        "factPath": [],
        "leafIndex": 3,
        "treePath": [_HASH, _HASH, _HASH],
        "treeSize": 8,
        "root": _HASH,
    },
}


def _whole(name: str, description: str) -> Node:
    return parameter(name, "query", {"type": "integer", "minimum": 0, "maximum": ID_MAX}, description)


OPERATIONS: Final = (
    Operation(
        "GET",
        "/booking/{bookingId}/receipt",
        "getReceipt",
        "Bookings",
        Kind.PERSONAL,
        "The proof of a booking's place in the journal",
        {200: Reply("The fact that decided the booking, and the proof of where it stands.", ref("Receipt"), _RECEIPT)},
        "Keep it with a head from `/journal/head`, and check the two with `/receipt_check.py`. It shows no other "
        "fact, and nobody can test a guess about one with it. `treeSize` of the proof and of the head must be the "
        "same, or the head be asked for with `since`.",
        parameters=(
            shared(BOOKING_ID),
            _whole("tree_size", "The treeSize of the head it is to be checked against; the latest, when left out."),
        ),
        codes=(Code.NO_SUCH_BOOKING, Code.NOT_FOUND, Code.UNKNOWN_FIELD),
    ),
    Operation(
        "GET",
        "/journal/head",
        "getJournalHead",
        "Node",
        Kind.READ,
        "The published head of the journal",
        {200: Reply("The root of the Merkle tree (RFC 9162) over the batches so far.", ref("JournalHead"), _HEAD)},
        "All nodes give the same head for the same `treeSize`. Whoever keeps one can prove later that nothing before "
        "it was changed: ask with `since`, and check both heads with `/receipt_check.py`. `batchHash` is a salted "
        "hash of the last batch's hash in the journal; `onsale verify --head` compares it.",
        parameters=(
            _whole("since", "The treeSize of an earlier head: prove that this one begins with it."),
            _whole("seq", "The head that ends with the batch which holds this position; the latest, when left out."),
        ),
        codes=(Code.NOT_FOUND, Code.UNKNOWN_FIELD),
    ),
    Operation(
        "GET",
        "/receipt_check.py",
        "getReceiptCheck",
        "Node",
        Kind.PROBE,
        "The script that checks receipts and heads",
        {200: Reply("Python, which needs nothing else.", {"type": "string"}, content_type="text/x-python")},
        "`python receipt_check.py receipt.json head.json`",
        waits_for_seq=False,
    ),
)
