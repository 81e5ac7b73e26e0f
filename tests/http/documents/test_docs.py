"""The pages that explain the API: whole, safe, and on their own."""

import html
import json
import re
import shlex
from html.parser import HTMLParser
from typing import Any

import pytest

from onsale.engine.codes import Code
from onsale.http.documents.docs import ASKED_TWICE, _curl, _field, _url, docs_page
from onsale.http.documents.docs_errors import calls_by_code, errors_page
from onsale.http.documents.docs_html import text as shown
from onsale.http.documents.error_guide import GUIDE
from onsale.http.documents.openapi import OPERATIONS, describe
from onsale.http.pages.static_files import static_files
from onsale.http.problems import problem

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What is on the page; complains of tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "data-call":
                self.calls.append(json.loads(value or ""))
            if tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "action", "data"):
                self.loads.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag


@pytest.fixture(scope="module")
def text() -> str:
    return docs_page().decode()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


@pytest.fixture(scope="module")
def errors() -> Page:
    return Page(errors_page().decode())


def test_each_page_is_made_once(text: str) -> None:
    assert text.startswith("<!doctype html>")
    assert docs_page() is docs_page()
    assert errors_page() is errors_page()
    assert 'name="viewport"' in text


def test_every_call_has_its_place(page: Page, text: str) -> None:
    for operation in OPERATIONS:
        assert operation.name in page.ids
        assert f"<code>{html.escape(operation.path)}</code>" in text
        assert html.escape(operation.summary) in text


def test_every_error_has_the_place_its_type_leads_to(errors: Page) -> None:
    text = errors_page().decode()
    for code in Code:
        kind = re.search(rb'"type":"([^"]*)"', problem(code, "x").body)
        assert kind is not None
        path, _, fragment = kind[1].decode().partition("#")
        assert path in describe("1")["paths"]
        assert fragment in errors.ids
        assert shown(GUIDE[code].meaning) in text
        assert shown(GUIDE[code].remedy) in text


def test_an_error_names_the_calls_that_may_answer_it() -> None:
    calls = calls_by_code(describe("1"))
    assert calls["payment_declined"] == [("post", "/pay", "pay")]
    assert '<a href="/docs#pay">' in errors_page().decode()


def test_places_have_names_of_their_own_and_links_lead_to_them(page: Page, errors: Page) -> None:
    of_page = {"/docs": page, "/docs/errors": errors}
    for path, each in of_page.items():
        assert len(set(each.ids)) == len(each.ids)
        for link in each.links:
            towards, _, fragment = link.partition("#")
            if towards == "/openapi.json":
                continue
            assert not fragment or fragment in of_page[towards or path].ids, link


def test_nothing_stands_in_a_page_that_could_run_and_all_it_loads_is_there(page: Page, errors: Page) -> None:
    files = static_files()
    for each in (page, errors):
        assert each.inline == []
        for address in each.loads:
            _, static, version, folder, name = address.split("/")
            assert (static, version, folder) == ("static", files.version, "docs")
            assert ("docs", name) in files.files


def test_what_is_put_in_is_escaped() -> None:
    evil = "<script>\"&'"
    field = _field(evil, {"enum": [evil], "default": evil}, evil, required=True)
    assert "<script>" not in field
    assert html.unescape(shown(evil)) == evil
    assert shown("`a<b`") == "<code>a&lt;b</code>"
    parameter = {"name": "id", "in": "path", "example": "a b/../<c>"}
    assert _url("/x/{id}", [parameter]) == "/x/a%20b%2F..%2F%3Cc%3E"


def test_every_call_can_be_tried(page: Page) -> None:
    assert {each["name"] for each in page.calls} == {operation.name for operation in OPERATIONS}
    for each in page.calls:
        places = {field["name"]: field for field in each["fields"] if field["in"] == "path"}
        assert set(re.findall(r"{(\w+)}", each["path"])) == set(places)
        assert all(field["value"] for field in places.values())
        operation = next(found for found in OPERATIONS if found.name == each["name"])
        assert ("body" in each) == bool(operation.body)
    assert {each["name"] for each in page.calls if each.get("askedTwice")} == ASKED_TWICE


def test_curl_lines_can_be_pasted() -> None:
    document = describe("1")
    body = document["paths"]["/booking"]["post"]["requestBody"]
    words = shlex.split(html.unescape(_curl("/booking", "post", [], body)))
    assert words[:2] == ["curl", "http://127.0.0.1:8080/booking"]
    assert words[-1] == '{"userId": "u-1", "eventId": 3, "quantity": 2}'
    quoted = {"requestBody": {"content": {"application/json": {"example": {"name": "it's; $(rm)"}}}}}["requestBody"]
    words = shlex.split(html.unescape(_curl("/x", "put", [], quoted)))
    assert words[-1] == '{"name": "it\'s; $(rm)"}'
    assert words[1:3] == ["-X", "PUT"]
    search = [{"name": "q", "in": "query", "example": "a&b; c"}]
    assert shlex.split(html.unescape(_curl("/x", "get", search, None)))[1].endswith("/x?q=a%26b%3B+c")
