"""Calls of browsers: the storefront, the operator's console, the API's own pages, and the files they are made of.

All are open to everyone: there is nothing in them but what everyone may see; whatever they show is asked of the API,
which asks for a token where one is needed.
"""

import gzip
from functools import cache
from typing import Any, Final

from multidict import istr

from ...engine.codes import Code
from ..api import Api
from ..caching import PUBLISHED, read_answer
from ..call import Answer, Call
from ..documents.docs import docs_page
from ..documents.docs_errors import errors_page
from ..pages.shell import STRIPE_SCRIPT, page, policy
from ..pages.static_files import static_files
from ..problems import refused

HTML: Final = "text/html; charset=utf-8"
CONSOLE_STYLES: Final = (("shop", "style.css"), ("vendor", "uplot.css"))
CONSOLE_MODULES: Final = (("shop", "api.js"), ("shop", "parts.js"), ("shop", "text.js"), ("vendor", "uplot.js"))
FRESH: Final = "no-cache"  # asked for each time, and answered 304
FOR_EVER: Final = "public, max-age=31536000, immutable"
_ACCEPT_ENCODING: Final = istr("Accept-Encoding")


def get_storefront(api: Api, call: Call) -> Answer:
    key = api.storefront.stripe_publishable_key
    stripe = bool(key) and api.gateway.payment_provider != "test"
    settings: dict[str, Any] = {
        "files": static_files().address("shop", ""),
        "payments": "stripe" if stripe else api.gateway.payment_provider,
        "stripeKey": key if stripe else None,
        "stripeScript": STRIPE_SCRIPT if stripe else None,
        "open": api.authenticator.is_open,
    }
    body = page(static_files(), "shop", "Onsale", settings)
    return read_answer(call, body, api.gateway.durable_seq, FRESH, *_headers(stripe=stripe), content_type=HTML)


def get_console(api: Api, call: Call) -> Answer:
    """Nothing of the node is in it: its scripts ask the API, as an operator, whom a token makes one."""
    files = static_files()
    settings = {
        "files": files.address("console", ""),
        "open": api.authenticator.is_open,
        "rehearsal": api.rehearsal is not None,
    }
    body = page(files, "console", "Onsale console", settings, styles=CONSOLE_STYLES, modules=CONSOLE_MODULES)
    return read_answer(call, body, api.gateway.durable_seq, FRESH, *_headers(stripe=False), content_type=HTML)


def get_docs(api: Api, call: Call) -> Answer:
    return _document(api, call, docs_page())


def get_error_docs(api: Api, call: Call) -> Answer:
    return _document(api, call, errors_page())


def get_static(_api: Api, call: Call, version: str, folder: str, name: str) -> Answer:
    """A page of another version, such as of a node that is upgraded, gets what there is, to be asked for again."""
    files = static_files()
    found = files.files.get((folder, name))
    if found is None:
        raise refused(Code.NOT_FOUND, "There is no such file.")
    kept = FOR_EVER if version == files.version else FRESH
    body, encoded = found.body, tuple[tuple[str, str], ...]()
    if found.compressed is not None and _takes_gzip(call):
        body, encoded = found.compressed, (("Content-Encoding", "gzip"),)
    headers = (("X-Content-Type-Options", "nosniff"), ("Vary", "Accept-Encoding"), ("Cache-Control", kept), *encoded)
    return Answer(200, body, headers, found.content_type)


def _document(api: Api, call: Call, body: bytes) -> Answer:
    """What changes with the version alone, for everybody to keep."""
    headers = [*_headers(stripe=False)]
    if _takes_gzip(call):
        body = _compressed(body)
        headers.append(("Content-Encoding", "gzip"))
    answer = read_answer(call, body, api.gateway.durable_seq, PUBLISHED, *headers, content_type=HTML)
    varied = tuple((name, f"{value}, Accept-Encoding" if name == "Vary" else value) for name, value in answer.headers)
    return answer.with_headers(varied)


@cache
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def _takes_gzip(call: Call) -> bool:
    return "gzip" in call.headers.get(_ACCEPT_ENCODING, "")


def _headers(*, stripe: bool) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Security-Policy", policy(stripe=stripe)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )
