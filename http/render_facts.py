"""Facts of the journal as JSON documents, whatever their kind.

Owns how a fact's fields are named in public: camelCase, instants as RFC 3339 (`expires_ms` becomes `expiresAt`), bytes as
hexadecimal digits. So a new kind of fact needs nothing here.
"""

from typing import Any, Final

import msgspec

from .times import format_ms

_INSTANT_SUFFIX: Final = "_ms"


def fact_document(fields: dict[str, Any]) -> dict[str, Any]:
    """As `Gateway.facts` gives it, with its `at` in milliseconds or as text."""
    shown = _document(fields)
    if isinstance(fields.get("at"), int):
        shown["at"] = format_ms(fields["at"])
    return shown


def _document(fields: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in fields.items():
        if name.endswith(_INSTANT_SUFFIX):
            is_instant = isinstance(value, int) and value > 0  # 0 stands for none
            shown[_camel(name.removesuffix(_INSTANT_SUFFIX)) + "At"] = format_ms(value) if is_instant else None
        else:
            shown[_camel(name)] = _value(value)
    return shown


def _value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _document(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return _document(value)
    if isinstance(value, (list, tuple)):
        return [_value(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
