"""The committed facts as JSON, for operators and for programs that follow the journal.

Owns how a fact looks from outside: its type in snake_case, its fields in camelCase, times as RFC 3339, durations in
seconds, bytes as hex.
That a secret was saved is shown, the secret never; nor the client secrets of payments, nor the seed of a lot before it
is revealed: what was committed to is.
Reads the segments on a thread, never past what is durable.
"""

import asyncio
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ..engine import facts as f
from ..engine.replies import decode as decode_reply
from ..http.wire.times import format_ms
from ..journal.disk import RealDisk
from ..journal.reader import read_batches

_DURATIONS = {"turn_ms", "offer_ms"}  # every other field in milliseconds is a moment

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def type_name(kind: type) -> str:
    """PaymentStarted → payment_started."""
    return _WORD.sub("_", kind.__name__).lower()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {_public_name(name): _public(name, getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def _public_name(name: str) -> str:
    if name == "at_ms":
        return "at"
    if name in _DURATIONS:
        return _camel(name.removesuffix("_ms") + "_seconds")
    return _camel(name.removesuffix("_ms") + "_at" if name.endswith("_ms") else name)


def _public(name: str, value: Any) -> Any:
    if name in _DURATIONS and isinstance(value, int):
        return value / 1000
    if name.endswith("_ms") and isinstance(value, int):
        return format_ms(value) if value else None
    return _plain(value)


def view(seq: int, at_ms: int, epoch: int, fact: f.Fact) -> dict[str, Any]:
    shown = {"seq": seq, "at": format_ms(at_ms), "epoch": epoch, "type": type_name(type(fact))}
    fields: dict[str, Any] = {} if isinstance(fact, f.TicketKeySaved) else _plain(fact)  # that key is a secret
    if isinstance(fact, f.Keyed):
        reply = decode_reply(fact.reply)
        fields["reply"] = {"type": type_name(type(reply))} | _without_secrets(_plain(reply))
    if isinstance(fact, f.RoomSet):  # the fact that opens the room reveals the seed
        del fields["seed"]
        fields["commitment"] = sha256(fact.seed).hexdigest() if fact.seed else None
    fields = _without_secrets(fields)
    return shown | fields


def _without_secrets(fields: dict[str, Any]) -> dict[str, Any]:
    """Whoever has a client secret can act on the payment."""
    return {name: value for name, value in fields.items() if name != "clientSecret"}


class JournalView:
    def __init__(self, disk: RealDisk) -> None:
        self._disk = disk

    @property
    def data_folder(self) -> Path:
        """Of the node whose journal this is."""
        return self._disk.root.parent

    async def facts(self, after_seq: int, limit: int, durable_seq: int) -> list[dict[str, Any]]:
        """At most `limit` facts behind `after_seq`. Raises journal.errors.HistoryGone."""
        if after_seq >= durable_seq:
            return []
        return await asyncio.to_thread(self._read, after_seq, limit, durable_seq)

    def _read(self, after_seq: int, limit: int, durable_seq: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        through_seq = min(after_seq + limit, durable_seq)
        for batch in read_batches(self._disk, after_seq, through_seq=through_seq):
            for seq, fact in enumerate(f.decode(batch.payload), batch.first_seq):
                if after_seq < seq <= through_seq:
                    found.append(view(seq, batch.at_ms, batch.epoch, fact))
        return found
