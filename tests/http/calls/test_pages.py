"""What browsers are given: the storefront's page, and the files it is made of."""

import gzip
import json
import re

import pytest

from onsale.engine.status import BOOKING_NAMES, ROOM_NAMES
from onsale.http.api import Storefront
from onsale.http.gateway import ROLES, STATES
from onsale.http.pages.shell import page, policy
from onsale.http.pages.static_files import static_files
from onsale.http.pages.vendored import PACKAGES
from onsale.http.render.cluster import HEALTHS
from onsale.node.commands.outbox_report import LANES
from onsale.tests.http.api_calls import Calls

LANGUAGES = ("de", "en")
FIRST_PAGE_BYTES_MAX = 150 * 1024


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_the_page_loads_nothing_from_any_other_host(calls: Calls) -> None:
    got = await calls("GET", "/")
    assert (got.status, got.content_type) == (200, "text/html; charset=utf-8")
    told = dict(part.split(" ", 1) for part in got.headers["Content-Security-Policy"].split("; "))
    assert told["default-src"] == "'none'"
    assert told["script-src"] == told["style-src"] == told["connect-src"] == "'self'"
    assert told["frame-ancestors"] == "'none'"
    text = got.body.decode()
    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text), "no script stands in the page"
    assert not re.search(r"\son\w+=|\sstyle=", text)
    assert (await calls("GET", "/", **{"If-None-Match": got.headers["ETag"]})).status == 304


async def test_with_stripe_its_own_hosts_may_be_asked(calls: Calls) -> None:
    calls.api.storefront = Storefront("pk_test_1")
    assert "stripe.com" not in (await calls("GET", "/")).headers["Content-Security-Policy"], "payments are tests here"
    calls.gateway.payment_provider = "stripe"
    got = await calls("GET", "/")
    assert "script-src 'self' https://js.stripe.com" in got.headers["Content-Security-Policy"]
    assert settings_of(got.body)["stripeKey"] == "pk_test_1"
    assert "frame-src https://js.stripe.com https://hooks.stripe.com" in policy(stripe=True)


async def test_the_console_is_a_page_with_nothing_of_the_node_in_it() -> None:
    """So it is open to everyone, before the node has a copy, too; what it shows it asks for with a token."""
    calls = Calls(secured=True)
    calls.gateway.ready = False
    got = await calls("GET", "/console")
    assert (got.status, got.content_type) == (200, "text/html; charset=utf-8")
    assert got.headers["Content-Security-Policy"] == policy(stripe=False)
    assert settings_of(got.body) == {"files": static_files().address("console", ""), "open": False, "rehearsal": False}
    text = got.body.decode()
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text), "no script stands in the page"
    assert not re.search(r"\son\w+=|\sstyle=|https?:", text)
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    assert len(addresses) > 12
    for address in addresses:
        assert (await calls("GET", address)).status == 200, address


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_the_pages_about_the_api_are_as_strict_and_come_compressed(path: str) -> None:
    calls = Calls(secured=True)
    calls.gateway.ready = False
    got = await calls("GET", path)
    assert (got.status, got.content_type) == (200, "text/html; charset=utf-8")
    assert got.headers["Content-Security-Policy"] == policy(stripe=False)
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', got.body.decode()):
        assert (await calls("GET", address)).status == 200, address
    small = await calls("GET", path, **{"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == got.body
    assert len(small.body) < FIRST_PAGE_BYTES_MAX / 3
    assert small.headers["ETag"] != got.headers["ETag"]


def settings_of(body: bytes) -> dict[str, object]:
    found = re.search(rb'id="settings">(.*?)</script>', body)
    assert found is not None
    settings: dict[str, object] = json.loads(found[1])
    return settings


def test_nothing_in_the_settings_can_end_their_element() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    body = page(static_files(), "shop", hostile, {"x": hostile})
    assert b"<script>alert" not in body
    assert settings_of(body)["x"] == hostile


async def test_every_file_of_the_page_is_there_and_kept_for_ever(calls: Calls) -> None:
    text = (await calls("GET", "/")).body.decode()
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    assert len(addresses) > 8
    for address in addresses:
        got = await calls("GET", address)
        assert (got.status, got.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable"), address
        assert got.headers["X-Content-Type-Options"] == "nosniff"


async def test_files_are_sent_compressed_to_who_takes_that(calls: Calls) -> None:
    address = static_files().address("shop", "main.js")
    plain = await calls("GET", address)
    small = await calls("GET", address, **{"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert len(small.body) < len(plain.body) / 2
    assert small.headers["Vary"] == "Accept-Encoding"


async def test_another_versions_page_gets_what_there_is_and_keeps_it_not(calls: Calls) -> None:
    got = await calls("GET", "/static/0123456789abcdef/shop/main.js")
    assert (got.status, got.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["/static/x/shop/nothing.js", "/static/x/../shell.py", "/static/x/shop/..%2f..%2fapi.py"]
)
async def test_nothing_else_can_be_fetched(calls: Calls, path: str) -> None:
    assert (await calls("GET", path)).status == 404


def test_the_first_page_is_small() -> None:
    files = static_files().files
    shop = [file for (folder, name), file in files.items() if folder == "shop" or name == "preact-htm.js"]
    assert sum(len(file.body) for file in shop) < FIRST_PAGE_BYTES_MAX, "even uncompressed"


def test_both_languages_say_the_same_things() -> None:
    spoken = {name: json.loads(static_files().files["shop", f"messages.{name}.json"].body) for name in LANGUAGES}
    german, english = spoken["de"], spoken["en"]
    assert german.keys() == english.keys()
    for key, message in english.items():
        assert isinstance(german[key], str) == isinstance(message, str), key
        assert set(re.findall(r"{(\w+)}", str(message))) == set(re.findall(r"{(\w+)}", str(german[key]))), key


def test_every_message_that_is_asked_for_is_there() -> None:
    for page_of in ("shop", "console"):
        messages = json.loads(static_files().files[page_of, "messages.en.json"].body)
        scripts = [
            file.body.decode()
            for (folder, name), file in static_files().files.items()
            if folder == page_of and name.endswith(".js")
        ]
        asked = {name for script in scripts for name in re.findall(r'\bt\(\s*"([^"]+)"', script)}
        assert len(asked) > 50
        assert asked <= messages.keys(), page_of


def test_the_console_has_words_for_whatever_nodes_say() -> None:
    messages = json.loads(static_files().files["console", "messages.en.json"].body)
    for group, names in (
        ("role", ROLES),
        ("state", STATES),
        ("health", HEALTHS),
        ("booking", BOOKING_NAMES.values()),
        ("room", ROOM_NAMES.values()),
        ("lane", LANES),
    ):
        assert {f"{group}.{name}" for name in names} <= messages.keys()


def test_what_is_kept_of_others_has_its_licence() -> None:
    names = {name for folder, name in static_files().files if folder == "vendor"}
    assert names == {name for package in PACKAGES for name in package.files.values()}
    assert {f"{package.name}.LICENSE" for package in PACKAGES} <= names
