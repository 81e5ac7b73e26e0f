"""What stands in a URL: its path's ids and its query parameters, as typed values.

Owns percent-decoding, cursors and the `Link` header to the next page. Promises a value or a `RefusedError` for whatever
a client sends. Where a call takes parameters, one it does not know or one given twice is refused, by name: a filter
misspelt would otherwise be a filter left out. An empty parameter counts as left out.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from ..problems import RefusedError, refused
from .body import check_user_id, invalid_field
from .times import DAY_MS, parse_day, parse_instant

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
LAG_SECONDS_MAX: Final = 10**6

_WHOLE = re.compile(r"[0-9]{1,19}", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,20})?", re.ASCII)
_UNESCAPED = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)", re.ASCII)

Parameters = dict[str, str]


def path_segments(path: str) -> list[str]:
    """The decoded segments of a path as it was sent; an encoded slash stays within its segment."""
    if "%" not in path and path.isascii():
        return path.split("/")[1:]
    return [_decode(segment, "path") for segment in path.split("/")[1:]]


def path_id(segment: str, field: str, missing: Code, what: str) -> int:
    """The id in a path. One that cannot exist is `missing`; what is no number is invalid."""
    if _ID.fullmatch(segment) and (number := int(segment)) <= ID_MAX:
        return number
    if _INTEGER.fullmatch(segment):
        raise refused(missing, f"There is no {what} {segment[:40]}; ids are positive integers below 2^63.")
    raise invalid_field(field, "in the path must be an id: a positive integer such as 7")


def path_user_id(segment: str) -> str:
    check_user_id(segment)
    return segment


def parse_query(query: str, known: Iterable[str]) -> Parameters:
    """The parameters that are given and not empty."""
    given: Parameters = {}
    if not query:
        return given
    names = tuple(known)
    for pair in query.split("&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition("=")
        name = _decode(raw_name.replace("+", " "), "query")
        if name not in names:
            detail = f"{name[:100]} is not a parameter here; the parameters are: {', '.join(names)}."
            raise refused(Code.UNKNOWN_FIELD, detail, field=name[:100])
        if name in given:
            raise invalid_field(name, "is given twice; give it once")
        given[name] = _decode(raw_value.replace("+", " "), name)
    return {name: value for name, value in given.items() if value}


def limit_of(parameters: Parameters) -> int:
    text = parameters.get("limit")
    if text is None:
        return LIMIT_DEFAULT
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= LIMIT_MAX:
        raise invalid_field("limit", f"must be a whole number from 1 to {LIMIT_MAX}")
    return int(text)


def whole_of(parameters: Parameters, name: str, default: int) -> int:
    """A whole number from 0 to 2^63 - 1."""
    text = parameters.get(name)
    return default if text is None else to_whole(text, name)


def to_whole(text: str, name: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > ID_MAX:
        raise invalid_field(name, "must be a whole number from 0 to 2^63 - 1")
    return int(text)


def lag_ms_of(parameters: Parameters, name: str) -> int | None:
    """A span in seconds, as milliseconds."""
    text = parameters.get(name)
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or float(text) > LAG_SECONDS_MAX:
        raise invalid_field(name, "must be a number of seconds such as 5 or 0.5")
    return round(float(text) * 1000)


def instant_of(parameters: Parameters, name: str, *, is_end: bool = False) -> int | None:
    """A day or an instant, in milliseconds since 1970. The end of a range means the last millisecond of its day."""
    text = parameters.get(name)
    if text is None:
        return None
    day_ms = parse_day(text)
    if day_ms is not None:
        return day_ms + DAY_MS - 1 if is_end else day_ms
    at_ms = parse_instant(_LOST_PLUS.sub("+", text))  # a plus that was not encoded arrives as a space
    if at_ms is None:
        raise invalid_field(name, "must be a day such as 2026-11-22 or a time such as 2026-11-22T10:00:00Z")
    return at_ms


def cursor_before(parameters: Parameters) -> int:
    """The id that a page's entries must be below; see `cursor_after`."""
    text = parameters.get("cursor")
    if text is None:
        return ID_MAX
    try:
        decoded = base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        decoded = ""
    if not _ID.fullmatch(decoded) or int(decoded) > ID_MAX:
        raise bad_cursor()
    return int(decoded)


def cursor_after(last_id: int) -> str:
    """The cursor of the page behind an entry with this id, where entries come newest first."""
    return base64.urlsafe_b64encode(str(last_id).encode()).decode()


def bad_cursor() -> RefusedError:
    return invalid_field("cursor", 'must be taken from the Link header (rel="next") of the page before')


def next_link(path: str, parameters: Parameters, **changed: str | int) -> tuple[str, str]:
    """The header that leads to the next page: the same call with some parameters changed."""
    query = "&".join([f"{name}={_escape(str(value))}" for name, value in {**parameters, **changed}.items()])
    return "Link", f'<{path}?{query}>; rel="next"'


def _escape(text: str) -> str:
    return text if _UNESCAPED.fullmatch(text) else quote_plus(text)


def _decode(text: str, field: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise invalid_field(field, "must be percent-encoded UTF-8") from None
