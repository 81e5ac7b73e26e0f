"""The page that says of each error code what it means and what to do: where the `type` of a problem leads.

Owns the page. Every code has its place on it under its own name: /docs/errors#sold_out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from ...engine.codes import Code
from ..problems import STATUS
from .docs_html import badge, end, head, navigation, text
from .error_guide import GUIDE, REQUEST_TIMEOUT, REQUEST_TIMEOUT_GUIDE, Guide
from .openapi import describe
from .openapi_parts import Node

CALLS_LISTED_MAX: Final = 12  # what more calls than that may answer, any may
_PROBLEM: Final = "application/problem+json"
_EXAMPLE: Final[dict[str, Any]] = {
    "type": "/docs/errors#sold_out",
    "title": "Sold out",
    "status": 409,
    "detail": "Only 1 of 2 tickets is free.",
    "code": "sold_out",
    "available": 1,
    "seq": 57,
}
_INTRODUCTION: Final = (
    "Every error is a document of the type `application/problem+json` (RFC 9457). Its `type` leads here. Decide by its "
    "`code`, which never changes; show `title` and `detail` to people; fields beyond these help to act, and are named "
    "below. 425, 429 and 503 say in `Retry-After` when to come back."
)
_TITLE: Final = "Error codes"

Call = tuple[str, str, str]  # method, path, name


@cache
def errors_page() -> bytes:
    """The page as it is served, HTML in UTF-8."""
    return "".join(_page(describe(version("onsale")))).encode()


def _page(document: Node) -> Iterator[str]:
    titles = {code.value: STATUS[code] for code in Code} | {REQUEST_TIMEOUT: (408, "The request took too long")}
    guides: dict[str, Guide] = {code.value: GUIDE[code] for code in Code} | {REQUEST_TIMEOUT: REQUEST_TIMEOUT_GUIDE}
    by_status = sorted(titles, key=lambda code: titles[code][0])  # sorting keeps the order of codes of one status
    calls = calls_by_code(document)
    yield head(f"{document['info']['title']}: error codes")
    yield from navigation(_contents(titles, by_status))
    yield f'<main id="content" tabindex="-1"><header><h1>{_TITLE}</h1><p>{text(_INTRODUCTION)}</p>'
    yield f'<pre tabindex="0">{text(json.dumps(_EXAMPLE, indent=2))}</pre></header>'
    for code in by_status:
        yield _error(code, titles[code], guides[code], calls.get(code, ()))
    yield end()


def _contents(titles: Mapping[str, tuple[int, str]], codes: Sequence[str]) -> Iterator[str]:
    yield '<li><a href="/docs">All calls</a></li><li><a href="#content">Errors</a><ul>'
    for code in codes:
        yield f'<li><a href="#{code}"><b class="status">{titles[code][0]}</b> {code}</a></li>'
    yield "</ul></li>"


def _error(code: str, title: tuple[int, str], guide: Guide, calls: Sequence[Call]) -> str:
    heading = f'<a href="#{code}"><b class="status">{title[0]}</b> <code>{code}</code></a>'
    told = f"<p>{text(guide.meaning)}</p><p><b>What to do:</b> {text(guide.remedy)}</p>"
    subtitle = f'<p class="title">{text(title[1])}</p>'
    return f'<article id="{code}"><h2>{heading}</h2>{subtitle}{told}{_answered_by(calls)}</article>'


def _answered_by(calls: Sequence[Call]) -> str:
    if not calls:
        return ""
    if len(calls) > CALLS_LISTED_MAX:
        return '<p class="calls">Many calls may answer this.</p>'
    links = [
        f'<li><a href="/docs#{name}">{badge(method)} <code>{text(path)}</code></a></li>' for method, path, name in calls
    ]
    return f'<p class="calls">May be answered by:</p><ul class="calls">{"".join(links)}</ul>'


def calls_by_code(document: Node) -> dict[str, list[Call]]:
    """Which calls the document says may answer each code, in its order."""
    found: dict[str, list[Call]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for response in operation["responses"].values():
                content = response.get("content", {}).get(_PROBLEM)  # what holds for every call is a reference
                for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"] if content else ():
                    found.setdefault(code, []).append((method, path, operation["operationId"]))
    return found
