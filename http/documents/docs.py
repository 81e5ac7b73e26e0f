"""The page that explains the API to people, made from the OpenAPI document.

Owns the page: one HTML file that loads nothing else, from nowhere. It is served at /docs and /docs/errors; each error
code has its place on it under its own name, which is where the `type` of a problem leads. Whatever is put into it is
escaped on its way.
"""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any, Final

from ...engine.codes import Code
from ..problems import STATUS
from .docs_script import SCRIPT
from .docs_style import STYLE
from .error_guide import GUIDE, REQUEST_TIMEOUT, REQUEST_TIMEOUT_GUIDE, Guide
from .openapi import CONVENTIONS, describe
from .openapi_parts import Node
from .openapi_schemas import REF

ORIGIN: Final = "http://127.0.0.1:8080"  # until the page's script knows better
WORDS_MAX: Final = 12  # of a choice that is listed word by word
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_CODE = re.compile(r"`([^`]+)`")


@cache
def docs_page() -> bytes:
    """The page as it is served, HTML in UTF-8."""
    document = describe(version("onsale"))
    return "".join(_page(document)).encode()


def _page(document: Node) -> Iterator[str]:
    info = document["info"]
    title = f"{_text(info['title'])} API"
    yield from _head(title)
    yield from _navigation(document)
    yield f"<main><header><h1>{title} <small>{_text(info['version'])}</small></h1>"
    yield f'<p>{_text(info["summary"])}</p><p>For programs: <a href="/openapi.json">openapi.json</a></p></header>'
    yield '<section id="conventions"><h2>For every call</h2><dl class="wide">'
    for name, text in CONVENTIONS.items():
        yield f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>"
    yield "</dl></section>"
    for tag in document["tags"]:
        yield f'<section id="{_slug(tag["name"])}"><h2>{_text(tag["name"])}</h2><p>{_text(tag["description"])}</p>'
        for path, method, operation in _operations(document, tag["name"]):
            yield from _call(document, path, method, operation)
        yield "</section>"
    yield from _errors()
    yield '<section id="schemas"><h2>Schemas</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield f"</section></main><script>{SCRIPT}</script></body></html>"


def _head(title: str) -> Iterator[str]:
    """It forbids the browser to load or run anything but what the page itself holds."""
    policy = f"default-src 'none'; connect-src 'self'; img-src data:; style-src '{_hash(STYLE)}'"
    policy += f"; script-src '{_hash(SCRIPT)}'"
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}; base-uri \'none\'">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{STYLE}</style></head><body>"


def _navigation(document: Node) -> Iterator[str]:
    yield '<nav aria-label="Contents"><details><summary>Contents</summary><ul>'
    yield '<li><a href="#conventions">For every call</a></li>'
    for tag in document["tags"]:
        yield f'<li><a href="#{_slug(tag["name"])}">{_text(tag["name"])}</a><ul>'
        for path, method, operation in _operations(document, tag["name"]):
            yield f'<li><a href="#{operation["operationId"]}">{_badge(method)} {_text(path)}</a></li>'
        yield "</ul></li>"
    yield '<li><a href="#errors">Errors</a></li><li><a href="#schemas">Schemas</a></li></ul></details></nav>'


def _operations(document: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item and tag in item[method]["tags"]:
                yield path, method, item[method]


def _call(document: Node, path: str, method: str, operation: Node) -> Iterator[str]:
    name = operation["operationId"]
    yield f'<article id="{name}"><h3><a href="#{name}">{_badge(method)} <code>{_text(path)}</code></a></h3>'
    yield f"<p><strong>{_text(operation['summary'])}.</strong> {_text(operation.get('description', ''))}"
    yield " <em>Takes a token where access is configured.</em></p>" if "security" in operation else "</p>"
    parameters = [_resolved(document, each) for each in operation.get("parameters", ())]
    for place, title in (("path", "In the path"), ("query", "In the query"), ("header", "Headers")):
        named = [each for each in parameters if each["in"] == place]
        if named:
            yield f"<h4>{title}</h4><dl>"
            for each in named:
                yield _field(each["name"], each["schema"], each["description"], required=False)
            yield "</dl>"
    body = operation.get("requestBody")
    if body is not None:
        content = body["content"]["application/json"]
        yield "<h4>Body</h4>" if body["required"] else "<h4>Body, if any</h4>"
        yield from _fields(_resolved(document, content["schema"]))
    yield f'<pre class="curl" tabindex="0"{_trial(path, method, parameters, body)}>'
    yield f"{_curl(path, method, parameters, body)}</pre><h4>Answers</h4>"
    yield from _answers(operation["responses"])
    yield "</article>"


def _answers(responses: Node) -> Iterator[str]:
    codes: list[tuple[str, str]] = []
    for status, response in responses.items():
        if "$ref" in response:  # what holds for every call is said once
            continue
        for content_type, content in response.get("content", {}).items():
            if content_type == "application/problem+json":
                codes += [(status, code) for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]]
                continue
            schema = content["schema"]
            shape = f": {_type(schema)}" if content_type == "application/json" and _refers(schema) else ""
            yield f'<p><b class="status">{status}</b> {_text(response["description"].rstrip("."))}{shape}.</p>'
            if "example" in content:
                example = _text(json.dumps(content["example"], indent=2, ensure_ascii=False))
                yield f'<details><summary>Example</summary><pre tabindex="0">{example}</pre></details>'
    links = ", ".join(f'<a href="#{code}">{status} <code>{code}</code></a>' for status, code in codes)
    yield f'<p class="codes">Errors: {links}</p>'


def _errors() -> Iterator[str]:
    yield '<section id="errors"><h2>Errors</h2><p>The <code>type</code> of an error leads to its place here.</p>'
    for code in Code:
        status, title = STATUS[code]
        yield _error(code, f"{status} {title}", GUIDE[code])
    yield _error(REQUEST_TIMEOUT, "408 Request Timeout", REQUEST_TIMEOUT_GUIDE)
    yield "</section>"


def _error(code: str, title: str, guide: Guide) -> str:
    heading = f'<a href="#{code}"><code>{code}</code></a> <small>{_text(title)}</small>'
    text = f"<p>{_text(guide.meaning)}</p><p><b>What to do:</b> {_text(guide.remedy)}</p>"
    return f'<article id="{code}"><h3>{heading}</h3>{text}</article>'


def _schema(name: str, schema: Node) -> Iterator[str]:
    yield f'<article id="schema-{name}"><h3><a href="#schema-{name}">{name}</a></h3>'
    yield f"<p>{_text(schema.get('description', ''))}</p>"
    yield from _fields(schema)
    yield "</article>"


def _fields(schema: Node) -> Iterator[str]:
    required = schema.get("required", ())
    yield "<dl>"
    for name, field in schema["properties"].items():
        yield _field(name, field, field.get("description", ""), required=name in required)
    yield "</dl>"


def _field(name: str, schema: Node, description: str, *, required: bool) -> str:
    star = ' <b class="required">required</b>' if required else ""
    says_its_type = description.startswith(("a ", "an ", "one of ")) and "ref" not in repr(schema)
    kind = "" if says_its_type else f'<span class="type">{_type(schema)}</span> '
    default = f" Default: <code>{_text(json.dumps(schema['default']))}</code>." if "default" in schema else ""
    stop = "." if description and not description.endswith(".") else ""
    return f"<dt><code>{_text(name)}</code>{star}</dt><dd>{kind}{_text(description)}{stop}{default}</dd>"


def _type(schema: Node) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    words = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if 0 < len(words) <= WORDS_MAX:
        return " | ".join(f"<code>{_text(str(each))}</code>" for each in words)
    kinds = schema.get("type", "any")
    return " or ".join(_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _kind(kind: str, schema: Node) -> str:
    if kind == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if kind == "string" and "format" in schema:
        return {"date-time": "time", "date": "day", "uri": "URL"}.get(schema["format"], "string")
    if kind in ("integer", "number") and schema.get("maximum", 2**63) < 2**53:
        return f"{kind} {schema.get('minimum', 0)}–{schema['maximum']}"
    return kind


def _refers(schema: Node) -> bool:
    return "$ref" in schema or "$ref" in schema.get("items", {})


def _resolved(document: Node, node: Node) -> Node:
    if "$ref" not in node:
        return node
    found: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _curl(path: str, method: str, parameters: list[Node], body: Node | None) -> str:
    """A command to paste, with the origin left for the page's script to fill in."""
    url = _url(path, parameters)
    words = ["curl", *(["-X", method.upper()] if method != "get" and (body is None or method != "post") else [])]
    quote = "'" if "?" in url else ""
    line = f'{_text(shlex.join(words))} {quote}<span class="origin">{ORIGIN}</span>{_text(url)}{quote}'
    if body is not None:
        example = json.dumps(body["content"]["application/json"]["example"], ensure_ascii=False)
        line += f" \\\n  -H 'Content-Type: application/json' \\\n  -d {_text(shlex.quote(example))}"
    return line


def _url(path: str, parameters: list[Node]) -> str:
    """The path with examples in it, and the first parameter of the query that has one."""
    query = []
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", str(each["example"]))
        elif each["in"] == "query" and "example" in each:
            query.append(f"{each['name']}={each['example']}")
    return path + ("?" + "&".join(query[:1]) if query else "")


def _trial(path: str, method: str, parameters: list[Node], body: Node | None) -> str:
    """What the page's script sends when the call is tried, as attributes."""
    told = {"method": method.upper(), "url": _url(path, parameters)}
    if body is not None:
        told["body"] = json.dumps(body["content"]["application/json"]["example"], ensure_ascii=False, indent=2)
    return "".join(f' data-{name}="{escape(value)}"' for name, value in told.items())


def _badge(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _slug(name: str) -> str:
    return "calls-" + name.lower()


def _text(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _hash(inline: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
