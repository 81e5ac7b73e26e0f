"""The page that explains the API: whole, safe, and on its own."""

import base64
import hashlib
import html
import re
import shlex
from html.parser import HTMLParser

import pytest

from onsale.engine.codes import Code
from onsale.http.documents.docs import _curl, _field, _text, docs_page
from onsale.http.documents.error_guide import GUIDE
from onsale.http.documents.openapi import OPERATIONS, describe
from onsale.http.problems import problem

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What is on the page; complains of tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.code: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "action", "data"):
                self.loads.append(value or "")
            if name == "style" or name.startswith("on"):
                self.handlers.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            self.code[self._open[-1]] = data


@pytest.fixture(scope="module")
def text() -> str:
    return docs_page().decode()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_is_one_page_that_is_made_once(text: str) -> None:
    assert text.startswith("<!doctype html>")
    assert docs_page() is docs_page()
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text


def test_every_call_has_its_place(page: Page, text: str) -> None:
    for operation in OPERATIONS:
        assert operation.name in page.ids
        assert f"<code>{html.escape(operation.path)}</code>" in text
        assert html.escape(operation.summary) in text


def test_every_error_has_the_place_its_type_leads_to(page: Page, text: str) -> None:
    for code in Code:
        kind = re.search(rb'"type":"([^"]*)"', problem(code, "x").body)
        assert kind is not None
        path, _, fragment = kind[1].decode().partition("#")
        assert path in describe("1")["paths"]
        assert fragment in page.ids
        assert _text(GUIDE[code].meaning) in text
        assert _text(GUIDE[code].remedy) in text


def test_places_have_names_of_their_own_and_links_lead_to_them(page: Page) -> None:
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link == "/openapi.json" or link.removeprefix("#") in page.ids, link


def test_it_loads_nothing_from_anywhere(page: Page, text: str) -> None:
    assert set(page.loads) == {"data:,"}
    assert "@import" not in text
    assert "url(" not in text


def test_its_policy_lets_its_own_style_and_script_run_and_nothing_else(page: Page, text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert page.handlers == []


def test_what_is_put_in_is_escaped() -> None:
    evil = "<script>\"&'"
    shown = _field(evil, {"enum": [evil], "default": evil}, evil, required=True)
    assert "<script>" not in shown
    assert html.unescape(_text(evil)) == evil
    assert _text("`a<b`") == "<code>a&lt;b</code>"


def test_curl_lines_can_be_pasted() -> None:
    document = describe("1")
    body = document["paths"]["/booking"]["post"]["requestBody"]
    line = html.unescape(re.sub("<[^>]*>", "", _curl("/booking", "post", [], body)))
    words = shlex.split(line)
    assert words[:2] == ["curl", "http://127.0.0.1:8080/booking"]
    assert words[-1] == '{"userId": "u-1", "eventId": 1, "quantity": 2}'
    quoted = {"requestBody": {"content": {"application/json": {"example": {"name": "it's; $(rm)"}}}}}["requestBody"]
    line = html.unescape(re.sub("<[^>]*>", "", _curl("/x", "put", [], quoted)))
    assert shlex.split(line)[-1] == '{"name": "it\'s; $(rm)"}'
    assert shlex.split(line)[1:3] == ["-X", "PUT"]
