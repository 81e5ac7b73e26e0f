"""Check a receipt of a booking against a published head of the journal, with nothing but Python.

    python receipt_check.py RECEIPT.json HEAD.json     that the booking is in the history with that head
    python receipt_check.py OLD_HEAD.json HEAD.json    that the history only grew since the old head

Exit code 0: proven; 1: not, and the text says why and what to do; 2: called in another way.

What is proven: at the position `seq` of the history, in the batch of that time, stands the fact that the receipt shows,
and nobody can move, change or take it away without another `root`. So keep a head that others keep too: a head that
was shown to you alone proves little. Nobody has to be trusted for the rest; this file is short, so that it can be read.

The history is a Merkle tree as RFC 9162 has it (SHA-256). Its leaves are the journal's batches, in order. A batch has a
tree of its own over its facts, each with a random-looking salt, so a receipt reveals one's own fact and no other.
"""

import hashlib
import json
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

VERSION = 1
FACT_SALT_BYTES = 16
BATCH_MARK = b"onsale batch\x01"
_BATCH = struct.Struct(">16sQIQQ32s32s")  # journal id, first seq, count, epoch, at (ms), hash of the batch, its root
_SEQ = struct.Struct(">Q")

# What the numbers in a fact mean, by its tag. Later versions only add at the end; what is left out has its default.
FACTS = {
    10: ("held", ("bookingId", "userId", "eventId", "ticketTypeId", "quantity", "amountMinor", "expiresAt", "seats")),
    11: ("waited", ("bookingId", "userId", "eventId", "ticketTypeId", "quantity", "amountMinor", "also")),
}
_LISTS = ("seats", "also")


class NotProven(Exception):
    """The text says what does not hold, to a person."""


# --- the tree (RFC 9162, section 2.1)


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fact_leaf(salt: bytes, seq: int, fact: bytes) -> bytes:
    """The leaf of one fact in the tree of its batch."""
    return leaf_hash(salt + _SEQ.pack(seq) + fact)


def batch_leaf(
    journal_id: bytes, first_seq: int, count: int, epoch: int, at_ms: int, batch_hash: bytes, facts_root: bytes
) -> bytes:
    """The leaf of one batch: `count` facts from `first_seq` on."""
    return leaf_hash(BATCH_MARK + _BATCH.pack(journal_id, first_seq, count, epoch, at_ms, batch_hash, facts_root))


def root_of_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that a leaf at `index` of `size` has with this path (2.1.3.2). Raises NotProven."""
    if not 0 <= index < size:
        raise NotProven(f"there is no leaf {index} in a tree of {size}")
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotProven("the path is longer than the tree is high")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise NotProven("the path is shorter than the tree is high")
    return found


def check_growth(old_size: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> None:
    """That the tree with `root` begins with all of the one with `old_root` (2.1.4.2). Raises NotProven."""
    if old_size > size:
        raise NotProven(f"a history of {size} batches can't have grown out of one of {old_size}")
    if old_size in (0, size):
        if path or (old_size == size and old_root != root):
            raise NotProven("two heads of the same size differ: these are two different histories")
        return
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        raise NotProven("the proof that the history only grew is empty")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = found = nodes[0]
    for each in nodes[1:]:
        if last == 0:
            raise NotProven("the proof that the history only grew is too long")
        if place & 1 or place == last:
            old_found, found = node_hash(each, old_found), node_hash(each, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    if last:
        raise NotProven("the proof that the history only grew is too short")
    if old_found != old_root or found != root:
        raise NotProven("the later history does not begin with the earlier one: something in it was changed")


# --- the fact: MessagePack, as far as facts of bookings use it


def unpack(data: bytes) -> Any:
    """The one value in `data`. Raises NotProven."""
    value, end = _unpack(data, 0)
    if end != len(data):
        raise NotProven("there is something behind the fact")
    return value


def _unpack(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at] if at < len(data) else 0xC1
    if kind < 0x80:
        return kind, at + 1
    if kind >= 0xE0:
        return kind - 0x100, at + 1
    if kind in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at + 1
    if 0xCC <= kind <= 0xD3:
        size = 1 << (kind & 3)
        return int.from_bytes(_cut(data, at + 1, size), "big", signed=kind >= 0xD0), at + 1 + size
    if 0xA0 <= kind < 0xC0 or 0xD9 <= kind <= 0xDB:
        text, end = _text(data, at, kind)
        try:
            return text.decode(), end
        except UnicodeDecodeError:
            raise NotProven("a text in the fact is not UTF-8") from None
    if 0x90 <= kind < 0xA0 or kind in (0xDC, 0xDD):
        return _list(data, at, kind)
    raise NotProven(f"the fact holds what no booking has (byte {at})")


def _text(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    at += 1
    if kind < 0xC0:
        return _cut(data, at, kind & 0x1F), at + (kind & 0x1F)
    width = 1 << (kind - 0xD9)
    length = int.from_bytes(_cut(data, at, width), "big")
    return _cut(data, at + width, length), at + width + length


def _list(data: bytes, at: int, kind: int) -> tuple[list[Any], int]:
    at += 1
    count = kind & 0x0F
    if kind >= 0xDC:
        width = 2 if kind == 0xDC else 4
        count, at = int.from_bytes(_cut(data, at, width), "big"), at + width
    found = []
    for _ in range(count):
        value, at = _unpack(data, at)
        found.append(value)
    return found, at


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise NotProven("the fact ends in the middle")
    return data[at : at + size]


def fact_in_words(data: bytes) -> dict[str, Any]:
    """The fact as a receipt shows it. Raises NotProven for one that is not of a booking."""
    values = unpack(data)
    if not isinstance(values, list) or not values or values[0] not in FACTS:
        raise NotProven("what stands there is not a booking")
    kind, names = FACTS[values[0]]
    shown: dict[str, Any] = {"type": kind}
    for place, name in enumerate(names, 1):
        value: Any = values[place] if place < len(values) else []
        if (place >= len(values) or isinstance(value, list)) != (name in _LISTS):
            raise NotProven("what stands there is not a booking")
        shown[name] = format_ms(value) if name.endswith("At") else value
    return shown


def format_ms(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    try:
        at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=at_ms)  # noqa: UP017 - Python 3.9
    except (OverflowError, TypeError):
        raise NotProven(f"{at_ms!r} is no time") from None
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


# --- receipts and heads, as the API gives them


def check_receipt(receipt: dict[str, Any], head: dict[str, Any]) -> list[str]:
    """What the receipt proves, in sentences. Raises NotProven."""
    proof = _get(receipt, "proof", dict)
    seq, first_seq, count = _get(receipt, "seq", int), _get(proof, "firstSeq", int), _get(proof, "count", int)
    epoch, at_ms = _get(receipt, "epoch", int), _get(proof, "atMs", int)
    fact = _hex(proof, "fact")
    said = fact_in_words(fact)
    _compare("fact", _get(receipt, "fact", dict), said)
    _compare("bookingId", receipt.get("bookingId"), said["bookingId"])
    _compare("at", receipt.get("at"), format_ms(at_ms))
    _compare("journalId", receipt.get("journalId"), head.get("journalId"))
    salt = _hex(proof, "salt", FACT_SALT_BYTES)
    batch_hash, journal_id = _hex(receipt, "batchHash", 32), _hex(receipt, "journalId", 16)
    size = _get(proof, "treeSize", int)
    try:
        facts_root = root_of_path(seq - first_seq, count, fact_leaf(salt, seq, fact), _path(proof, "factPath"))
        leaf = batch_leaf(journal_id, first_seq, count, epoch, at_ms, batch_hash, facts_root)
    except struct.error:
        raise NotProven("a number in the receipt is out of range") from None
    root = root_of_path(_get(proof, "leafIndex", int), size, leaf, _path(proof, "treePath"))
    if root != _hex(proof, "root", 32):
        raise NotProven("the parts of the receipt do not fit together: something in it was changed")
    _check_same_history("receipt", size, root, head)
    kind = "tickets were held" if said["type"] == "held" else "it was put in line"
    return [
        (
            f"Booking {said['bookingId']} of {said['userId']}: at position {seq}, on {format_ms(at_ms)}, {kind} "
            f"(event {said['eventId']}, ticket type {said['ticketTypeId']}, quantity {said['quantity']})."
        ),
        f"It is in the history with this head: {head['treeSize']} batches, root {head['root']}.",
    ]


def check_heads(old: dict[str, Any], head: dict[str, Any]) -> list[str]:
    """What is proven of two heads, in sentences. Raises NotProven."""
    _compare("journalId", old.get("journalId"), head.get("journalId"))
    size = _get(old, "treeSize", int)
    _check_same_history("earlier head", size, _hex(old, "root", 32), head)
    return [
        (
            f"The history with the later head ({head['treeSize']} batches) begins with all {size} batches of the "
            "earlier one, unchanged."
        )
    ]


def _check_same_history(what: str, size: int, root: bytes, head: dict[str, Any]) -> None:
    head_size, head_root = _get(head, "treeSize", int), _hex(head, "root", 32)
    if size > head_size:
        raise NotProven(
            f"the {what} is newer than the head ({size} batches against {head_size}): fetch the receipt with "
            f"?tree_size={head_size}, or a newer head from /journal/head?since={head_size}, and check that one first"
        )
    if size == head_size:
        if root != head_root:
            raise NotProven(f"the {what} is of another history than the head: the roots differ")
        return
    growth = head.get("consistency")
    if not isinstance(growth, dict) or growth.get("since") != size:
        raise NotProven(
            f"the head ({head_size} batches) is newer than the {what} ({size}), and does not say how they belong "
            f"together: fetch it from /journal/head?since={size}, or the receipt with ?tree_size={head_size}"
        )
    check_growth(size, root, head_size, head_root, _path(growth, "path"))


def _compare(name: str, shown: Any, proven: Any) -> None:
    if json.dumps(shown, sort_keys=True) != json.dumps(proven, sort_keys=True):  # for Python, True and 1.0 are 1
        raise NotProven(f"{name} says {shown!r}, and what is proven is {proven!r}")


def _get(document: dict[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise NotProven(f"{name} is missing or not as it should be")
    return value


def _hex(document: dict[str, Any], name: str, size: int = 0) -> bytes:
    try:
        data = bytes.fromhex(_get(document, name, str))
    except ValueError:
        data = b""
    if not data or (size and len(data) != size):
        wanted = f"{size} bytes" if size else "bytes"
        raise NotProven(f"{name} should be {wanted} in hexadecimal")
    return data


def _path(document: dict[str, Any], name: str) -> list[bytes]:
    return [_hex({name: each}, name, 32) for each in _get(document, name, list)]


# --- the program


def read_document(path: str) -> dict[str, Any]:
    """Raises NotProven."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - few imports
            document = json.load(file)
    except OSError as error:
        raise NotProven(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NotProven(f"{path} is not JSON") from None
    if not isinstance(document, dict):
        raise NotProven(f"{path} is not a receipt or head")
    if document.get("version") != VERSION:
        raise NotProven(
            f"{path} is not a receipt or head of version {VERSION}: get this script anew, from /receipt_check.py"
        )
    return document


def check_files(first: str, second: str) -> list[str]:
    """What the two files prove, in sentences. Raises NotProven."""
    try:
        earlier, head = read_document(first), read_document(second)
        return check_receipt(earlier, head) if "proof" in earlier else check_heads(earlier, head)
    except RecursionError:
        raise NotProven("the fact is nested too deeply") from None


def main(arguments: list[str]) -> NoReturn:
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print(__doc__)
        sys.exit(2)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        sentences = check_files(*arguments)
    except NotProven as fault:
        print(f"NOT PROVEN: {fault}.")
        sys.exit(1)
    print("PROVEN.")
    print("\n".join(sentences))
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
