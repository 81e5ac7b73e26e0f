"""Parameters as Stripe takes them: form-encoded, nested with brackets, checked one by one.

Promises that whatever is wrong with them is said before anything is executed.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from stripe_errors import Json, invalid

INTEGER = re.compile(r"-?\d{1,18}\Z")
PARTS = re.compile(r"([^\[\]]+)|\[([^\[\]]*)\]")


def decode(text: str) -> Json:
    """`a[b]=1&c[0]=x&c[1]=y` → {"a": {"b": "1"}, "c": ["x", "y"]}."""
    found: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        parts = [first or second for first, second in PARTS.findall(name)]
        if not parts:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
        place = found
        for part in parts[:-1]:
            place = place.setdefault(part or str(len(place)), {})
            if not isinstance(place, dict):
                raise invalid(f"Invalid object: {name}", parts[0])
        place[parts[-1] or str(len(place))] = value
    return {name: _lists(value) for name, value in found.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {name: _lists(part) for name, part in value.items()}
    return list(inside.values()) if inside and all(name.isdigit() for name in inside) else inside


def only(params: Json, known: Iterable[str]) -> None:
    for name in params:
        if name not in known:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")


def text(params: Json, name: str, default: str | None = None) -> str | None:
    value = params.get(name, default)
    if value == "":
        raise invalid(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty "
            "value.",
            name,
            "parameter_invalid_empty",
        )
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", name)
    return value


def required(params: Json, name: str) -> str:
    value = text(params, name)
    if value is None:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return value


def integer(params: Json, name: str, default: int, *, minimum: int, maximum: int) -> int:
    value = text(params, name)
    if value is None:
        return default
    if not INTEGER.match(value):
        raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    number = int(value)
    if number < minimum:
        raise invalid(f"This value must be greater than or equal to {minimum}.", name, "parameter_invalid_integer")
    if number > maximum:
        raise invalid(f"This value must be less than or equal to {maximum}.", name, "parameter_invalid_integer")
    return number


def boolean(params: Json, name: str, *, default: bool = False) -> bool:
    value = params.get(name)
    if value is None:
        return default
    if value not in {"true", "false"}:
        raise invalid(f"Invalid boolean: {value}", name)
    return bool(value == "true")


def group(params: Json, name: str) -> Json:
    value = params.get(name, {})
    if not isinstance(value, dict):
        raise invalid("Invalid object", name)
    return value


def texts(params: Json, name: str) -> list[str]:
    value = params.get(name, [])
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise invalid("Invalid array", name)
    return value


def metadata(params: Json) -> dict[str, str]:
    """https://docs.stripe.com/metadata: up to 50 keys of up to 40 characters, values of up to 500."""
    found = group(params, "metadata") if params.get("metadata") != "" else {}
    if len(found) > 50:
        raise invalid("Metadata can have up to 50 keys.", "metadata")
    for name, value in found.items():
        if len(name) > 40:
            raise invalid(f"Metadata keys must be under 40 characters long; '{name}' is too long.", "metadata")
        if not isinstance(value, str) or len(value) > 500:
            raise invalid(f"Metadata values must be under 500 characters long; '{name}' is not.", "metadata")
    return {name: value for name, value in found.items() if value != ""}
