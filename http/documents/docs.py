"""The page that explains the API to people, made from the OpenAPI document: /docs.

Owns the page: every call with what it takes and answers, a line for curl, and, in `data-call`, what its script
(static/docs/main.js) makes a form of that sends the call to the node which serves the page. The values in them are of
the sample that `make run` starts. Without the script the page reads as well.
"""

import json
import shlex
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote, urlencode

from .docs_html import badge, end, head, navigation, text
from .openapi import CONVENTIONS, describe
from .openapi_parts import Node
from .openapi_schemas import REF

ORIGIN: Final = "http://127.0.0.1:8080"  # until the page's script knows better
WORDS_MAX: Final = 12  # of a choice that is listed word by word
ASKED_TWICE: Final = frozenset(  # what can't be undone, or stops others, is not sent by one careless click
    {
        "cancelEvent", "giveUpBooking", "leaveQueue", "refundBooking", "failOver", "switchOver", "setSyncStandbys",
        "removeMember",
    }
)  # fmt: skip
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@cache
def docs_page() -> bytes:
    """The page as it is served, HTML in UTF-8."""
    return "".join(_page(describe(version("onsale")))).encode()


def _page(document: Node) -> Iterator[str]:
    info = document["info"]
    title = f"{info['title']} API"
    yield head(title)
    yield from navigation(_contents(document))
    yield f'<main id="content" tabindex="-1"><header><h1>{text(title)} <small>{text(info["version"])}</small></h1>'
    yield f'<p>{text(info["summary"])}</p><p>For programs: <a href="/openapi.json">openapi.json</a>. '
    yield 'What each error means: <a href="/docs/errors">error codes</a>.</p></header>'
    yield '<section id="trying"></section>'
    yield '<section id="conventions"><h2>For every call</h2><dl class="wide">'
    for name, said in CONVENTIONS.items():
        yield f"<dt>{text(name)}</dt><dd>{text(said)}</dd>"
    yield "</dl></section>"
    for tag in document["tags"]:
        yield f'<section id="{_slug(tag["name"])}"><h2>{text(tag["name"])}</h2><p>{text(tag["description"])}</p>'
        for path, method, operation in _operations(document, tag["name"]):
            yield from _call(document, path, method, operation)
        yield "</section>"
    yield '<section id="schemas"><h2>Schemas</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield f"</section>{end()}"


def _contents(document: Node) -> Iterator[str]:
    yield '<li><a href="#conventions">For every call</a></li><li><a href="/docs/errors">Error codes</a></li>'
    for tag in document["tags"]:
        yield f'<li><a href="#{_slug(tag["name"])}">{text(tag["name"])}</a><ul>'
        for path, method, operation in _operations(document, tag["name"]):
            yield f'<li><a href="#{operation["operationId"]}">{badge(method)} {text(path)}</a></li>'
        yield "</ul></li>"
    yield '<li><a href="#schemas">Schemas</a></li>'


def _operations(document: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item and tag in item[method]["tags"]:
                yield path, method, item[method]


def _call(document: Node, path: str, method: str, operation: Node) -> Iterator[str]:
    name = operation["operationId"]
    yield f'<article id="{name}"><h3><a href="#{name}">{badge(method)} <code>{text(path)}</code></a></h3>'
    yield f"<p><strong>{text(operation['summary'])}.</strong> {text(operation.get('description', ''))}"
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
    yield "<h4>Answers</h4>"
    yield from _answers(operation["responses"])
    trial = json.dumps(_trial(path, method, operation, parameters), ensure_ascii=False)
    yield f'<h4>Try it</h4><div class="call" data-call="{escape(trial)}">'
    yield f'<pre class="curl" tabindex="0">{_curl(path, method, parameters, body)}</pre></div></article>'


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
            yield f'<p><b class="status">{status}</b> {text(response["description"].rstrip("."))}{shape}.</p>'
            if "example" in content:
                example = text(json.dumps(content["example"], indent=2, ensure_ascii=False))
                yield f'<details><summary>Example</summary><pre tabindex="0">{example}</pre></details>'
    links = ", ".join(f'<a href="/docs/errors#{code}">{status} <code>{code}</code></a>' for status, code in codes)
    yield f'<p class="codes">Errors: {links}</p>'


def _schema(name: str, schema: Node) -> Iterator[str]:
    yield f'<article id="schema-{name}"><h3><a href="#schema-{name}">{name}</a></h3>'
    yield f"<p>{text(schema.get('description', ''))}</p>"
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
    default = f" Default: <code>{text(json.dumps(schema['default']))}</code>." if "default" in schema else ""
    stop = "." if description and not description.endswith(".") else ""
    return f"<dt><code>{text(name)}</code>{star}</dt><dd>{kind}{text(description)}{stop}{default}</dd>"


def _type(schema: Node) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    words = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if 0 < len(words) <= WORDS_MAX:
        return " | ".join(f"<code>{text(str(each))}</code>" for each in words)
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
    """A command to paste; the page's script puts the node's own address into it."""
    words = ["curl", *(["-X", method.upper()] if method != "get" and (body is None or method != "post") else [])]
    line = f"{shlex.join(words)} {shlex.quote(ORIGIN + _url(path, parameters))}"
    if body is not None:
        example = json.dumps(body["content"]["application/json"]["example"], ensure_ascii=False)
        line += f" \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(example)}"
    return escape(line)


def _url(path: str, parameters: list[Node]) -> str:
    """The path with examples in it, and the parameter of the query that is shown."""
    query: dict[str, Any] = {}
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(each["example"]), safe=""))
        elif each["in"] == "query" and "example" in each and not query:
            query[each["name"]] = each["example"]
    return path + ("?" + urlencode(query, safe=",") if query else "")


def _trial(path: str, method: str, operation: Node, parameters: list[Node]) -> Node:
    """What the page's script makes the form of. `value`: what stands in a field at first; `hint`: an example."""
    fields = []
    shown = next((each["name"] for each in parameters if each["in"] == "query" and "example" in each), "")
    for each in parameters:
        example = str(each.get("example", ""))
        stands = each["in"] == "path" or each["name"] == shown
        fields.append({"name": each["name"], "in": each["in"], "value": example * stands, "hint": example})
    told: Node = {"name": operation["operationId"], "method": method.upper(), "path": path, "fields": fields}
    if "requestBody" in operation:
        told["body"] = operation["requestBody"]["content"]["application/json"]["example"]
    if operation["operationId"] in ASKED_TWICE:
        told["askedTwice"] = True
    return told


def _slug(name: str) -> str:
    return "calls-" + name.lower()
