"""JSON bodies into typed values, and what is wrong with them in words.

Owns the decoding of a body, the types that fields are made of, and the sentence a client reads when one does not fit.
Promises that whatever the bytes are, the outcome is a value or a `RefusedError`. What each call takes stands in
wire_bookings.py and wire_events.py; a field's `description` there is what the sentence says was expected.
"""

import re
from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from ...engine.codes import Code
from ...engine.limits import ID_MAX, TIME_MS_MAX, URL_CHARACTERS_MAX, USER_ID_CHARACTERS_MAX
from ..problems import RefusedError, refused
from .times import parse_instant

# Id of an event, booking or ticket type. What msgspec cannot bound is left to `to_id`.
Id = Annotated[
    Annotated[int, Meta(ge=1, le=ID_MAX)] | Annotated[str, Meta(pattern="^[1-9][0-9]{0,18}$")],
    Meta(description='an id: a positive integer such as 7 or "7"'),
]
UserId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=USER_ID_CHARACTERS_MAX,
        description=f"a string of 1 to {USER_ID_CHARACTERS_MAX} characters",
    ),
]
# How many decimals a currency has, and which amount is right, is the engine's to say.
Money = Annotated[
    str,
    Meta(max_length=32, pattern=r"^[0-9]{1,15}(\.[0-9]{1,9})?$", description='a decimal string such as "49.90"'),
]
Instant = Annotated[str, Meta(max_length=64, description='an RFC 3339 time such as "2026-11-22T10:00:00.000Z"')]
Url = Annotated[
    str,
    Meta(max_length=URL_CHARACTERS_MAX, description=f"an http or https URL of at most {URL_CHARACTERS_MAX} characters"),
]
Switch = Annotated[bool, Meta(description="true or false")]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$\.?([^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]*)`(?: - at `\$\.?([^`]*)`)?")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_GOT = re.compile(r"got `(\w+)`")
_INDEX = re.compile(r"\[\d+\]")
_KINDS: Final = {
    "int": "a number",
    "float": "a number with a fraction",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_ECHO_CHARACTERS_MAX: Final = 100  # of a client's own words in an error

B = TypeVar("B", bound=msgspec.Struct)


class BodyDecoder(Generic[B]):
    """Bodies of one shape, a msgspec Struct that forbids unknown fields."""

    def __init__(self, shape: type[B], *, may_be_empty: bool = False) -> None:
        self._decode = msgspec.json.Decoder(shape).decode
        self._expected = _expected(shape)
        self._may_be_empty = may_be_empty

    def decode(self, body: bytes) -> B:
        """Raises RefusedError: invalid_json, unknown_field or invalid_field."""
        try:
            return self._decode(body)
        except msgspec.ValidationError as fault:
            raise self._explain(str(fault), body) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as fault:
            if not body and self._may_be_empty:
                return self._decode(b"{}")
            raise _broken(body, fault) from None

    def _explain(self, message: str, body: bytes) -> RefusedError:
        try:
            msgspec.json.decode(body)  # the fault may stand before the place where the JSON breaks
        except msgspec.ValidationError:
            pass
        except (msgspec.DecodeError, ValueError, RecursionError) as fault:
            return _broken(body, fault)
        if unknown := _UNKNOWN.fullmatch(message):
            return self._unknown(unknown[1], unknown[2] or "")
        if missing := _MISSING.fullmatch(message):
            field = _join(missing[2] or "", missing[1])
            return invalid_field(field, f"is missing; it must be {self._what(field)}")
        place = _PLACE.search(message)
        if place is None:
            return refused(Code.INVALID_JSON, "The body must be a JSON object.")
        field, got = place[1], _GOT.search(message)
        but = f", not {_KINDS.get(got[1], got[1])}" if got else ""
        return invalid_field(field, f"must be {self._what(field)}{but}")

    def _unknown(self, name: str, place: str) -> RefusedError:
        prefix = _join(_INDEX.sub("[]", place), "")
        known = [each.removeprefix(prefix) for each in self._expected if each.startswith(prefix)]
        listed = ", ".join(each for each in known if each.isalnum()) or "none"
        field = _join(place, name[:_ECHO_CHARACTERS_MAX])
        return refused(Code.UNKNOWN_FIELD, f"{field} is not a field here; the fields are: {listed}.", field=field)

    def _what(self, field: str) -> str:
        return self._expected.get(_INDEX.sub("[]", field)) or "a value of another kind"


def invalid_field(field: str, fault: str) -> RefusedError:
    """`fault` goes on from the field's name: "must be …"."""
    return refused(Code.INVALID_FIELD, f"{field} {fault}.", field=field)


def to_id(value: int | str, field: str) -> int:
    """An `Id` as a number."""
    number = int(value)
    if number > ID_MAX:
        raise invalid_field(field, 'must be an id: a positive integer such as 7 or "7"')
    return number


def check_user_id(user_id: str, field: str = "userId") -> None:
    """Raises RefusedError for what is not 1 to 128 characters, or holds control characters."""
    if not 1 <= len(user_id) <= USER_ID_CHARACTERS_MAX:
        raise invalid_field(field, f"must be a string of 1 to {USER_ID_CHARACTERS_MAX} characters")
    if not user_id.isprintable() and _CONTROL.search(user_id):
        raise invalid_field(field, "must not hold control characters")


def check_text(text: str, field: str, *, lines: bool = False) -> str:
    """The text as it is. Raises RefusedError for control characters; `lines` lets line breaks and tabs pass."""
    if not text.isprintable() and (_CONTROL_BUT_LINES if lines else _CONTROL).search(text):
        raise invalid_field(field, "must not hold control characters")
    return text


def check_web_url(url: str, field: str) -> str:
    """The URL as it is. Raises RefusedError for one that cannot be called, or that holds a user name or password."""
    if not _is_web_url(url):
        raise invalid_field(
            field, "must be an http or https URL such as https://example.org/hook, without a user name or password"
        )
    return url


def _is_web_url(url: str) -> bool:
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port_is_right = parts.port != 0  # raises for one that is no port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_is_right and "@" not in parts.netloc


def to_ms(instant: str, field: str) -> int:
    """Milliseconds since 1970 of an instant in a body."""
    at_ms = parse_instant(instant)
    if at_ms is None:
        raise invalid_field(field, 'must be an RFC 3339 time with an offset or Z, such as "2026-11-22T10:00:00.000Z"')
    if not 0 <= at_ms <= TIME_MS_MAX:
        raise invalid_field(field, "must be in the years 1970 to 9999")
    return at_ms


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _broken(body: bytes, fault: Exception) -> RefusedError:
    if not body:
        return refused(Code.INVALID_JSON, "The body is empty; send a JSON object.")
    if isinstance(fault, RecursionError):
        return refused(Code.INVALID_JSON, "The body is nested too deeply.")
    if isinstance(fault, UnicodeDecodeError):
        return refused(Code.INVALID_JSON, "The body is not UTF-8.")
    if isinstance(fault, msgspec.DecodeError):
        return refused(Code.INVALID_JSON, f"{fault}.")
    return refused(Code.INVALID_JSON, "The body holds a number of too many digits.")


def _expected(shape: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """What each field must be, by its place in the body: {"ticketTypes[].price": "a decimal string …"}."""
    expected: dict[str, str] = {}
    hints = get_type_hints(shape, include_extras=True)
    for field in msgspec.structs.fields(shape):
        place = prefix + field.encode_name
        expected[place] = _description(hints[field.name])
        for item in _items_of(hints[field.name]):
            expected[f"{place}[]"] = _description(item)
        for item in _structs_in(hints[field.name]):
            expected[f"{place}[]"] = "an object"
            expected |= _expected(item, f"{place}[].")
    return expected


def _description(hint: Any) -> str:
    """The outermost description; a union has its members'."""
    for part in get_args(hint):
        if isinstance(part, Meta) and part.description:
            return part.description
    found = (_description(part) for part in get_args(hint))
    return next((each for each in found if each), "")


def _items_of(hint: Any) -> list[Any]:
    """What a field that is a list holds."""
    if get_origin(hint) is list:
        return list(get_args(hint))
    return [found for part in get_args(hint) for found in _items_of(part)]


def _structs_in(hint: Any) -> list[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [found for part in get_args(hint) for found in _structs_in(part)]
