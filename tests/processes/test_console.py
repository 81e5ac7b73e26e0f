"""The operator's console in a real browser, against real nodes: seeing, ordering, asking why; and who may not.

Skipped where there is no Chromium.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from browsers import CHROMIUM, HOSTILE, Watched, axe_faults, chromium, new_page
from cluster import Cluster
from nodes import Client, Node
from playwright.async_api import Browser, Page, expect

from onsale.http.access.auth import issue_token
from onsale.http.render.outbox import OutboxDocument

KEY = "a key for tests that is long enough for HS256"
DARK_VIEWS = ("/", "/onsales/{event}", "/owed")
VIEWS = ("/", "/live", "/onsales", "/onsales/{event}", "/owed", "/look/booking/1", "/look/user/bob", "/look/seq/9")
OUTBOX = {
    "leads": True,
    "totals": {"payments": 1, "refunds": 0, "refundsFailed": 1, "messages": 2, "messagesDead": 1, "concerns": 1},
    "lanes": [
        {"name": "mail", "waiting": 2, "inFlight": 0, "failingSince": "2026-06-01T08:00:00.000Z",
         "lastFailure": HOSTILE, "resumesAt": None},
    ],
    "refundsFailed": [
        {"refundId": 3, "bookingId": 1, "userId": HOSTILE, "amount": "49.90", "currency": "EUR", "reason": "requested",
         "failure": "card_closed", "tries": 4, "createdAt": "2026-06-01T08:00:00.000Z", "paymentReference": "pi_1"},
    ],
    "messagesDead": [
        {"deliveryId": 5, "channel": "mail", "kind": "held", "notificationId": 1, "eventId": 1, "bookingId": 1,
         "userId": "bob", "at": "2026-06-01T08:00:00.000Z", "attempts": 9, "failure": "no such mailbox"},
    ],
    "concerns": [
        {"id": "dispute:dp_1", "kind": "dispute", "reference": "dp_1", "bookingId": 1, "paymentId": 1, "refundId": None,
         "amount": "49.90", "currency": "EUR", "detail": HOSTILE, "at": "2026-06-01T08:00:00.000Z"},
    ],
}  # fmt: skip
NOTICED_MS = 10_000
SOME_PER_SECOND = re.compile(r"^[1-9][\d,.]*/s$")
SOME_TIME = re.compile(r"^[\d.]+ m?s$")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One that asks everybody who they are."""
    data = tmp_path_factory.mktemp("console") / "data"
    with Node(data, "--demo", environment={"ONSALE_JWT_KEY": KEY}) as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@asynccontextmanager
async def console(browser: Browser, url: str, **settings: Any) -> AsyncIterator[Watched]:
    """A visitor of its own, who has not gone there yet."""
    page = await new_page(browser, **settings)
    yield Watched(page, url)
    await page.unroute_all(behavior="ignoreErrors")
    await page.context.close()


def token(role: str) -> str:
    return issue_token(KEY.encode(), role, "ada", 3600)


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/console")
    await page.get_by_label("Your access token").fill(token("operator"))
    await page.get_by_role("button", name="Open the console").click()
    await expect(page.get_by_text("All is well")).to_be_visible()


async def test_a_users_token_is_refused_and_an_operators_stays_in_its_tab(browser: Browser, node: Node) -> None:
    async with console(browser, node.url) as seen:
        page = seen.page
        await page.goto(f"{node.url}/console#/owed")
        for given, told in (
            (token("user"), "This token is a user's, and the console takes the role operator."),
            (token("organiser"), "This token is an organiser's, and"),
            (issue_token(b"another key that is long enough for it", "operator", "eve", 60), "signature is not right"),
            ("nonsense", "That is no token."),
        ):
            await page.get_by_label("Your access token").fill(given)
            await page.get_by_role("button", name="Open the console").click()
            await expect(page.get_by_role("alert")).to_contain_text(told)
            assert await page.evaluate("sessionStorage.length") == 0
        await page.get_by_label("Your access token").fill(token("operator"))
        await page.get_by_role("button", name="Open the console").click()
        await expect(page.get_by_text("Nothing waits for a person.")).to_be_visible()
        assert page.url == f"{node.url}/console#/owed"
        assert token("operator").split(".")[0] not in await page.evaluate("JSON.stringify(localStorage)")
        await page.reload()
        await expect(page.get_by_text("Nothing waits for a person.")).to_be_visible()
        other = await page.context.new_page()
        await other.goto(f"{node.url}/console")
        await expect(other.get_by_label("Your access token")).to_be_visible()
        await page.get_by_role("button", name="Forget the token").click()
        await expect(page.get_by_label("Your access token")).to_be_visible()
        assert seen.faults == []


async def test_why_a_booking_was_served_and_that_it_was_fair(browser: Browser, node: Node) -> None:
    headers = {"Authorization": f"Bearer {token('operator')}"}
    async with Client(node.url) as client, console(browser, node.url) as seen:
        event = await _show_of(client, headers)
        page = seen.page
        await sign_in(page, node.url)
        await page.get_by_role("link", name="Look up").click()
        await page.get_by_label("Its number").fill("2")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Booking 2 is held")).to_be_visible()
        for told in ("at position 1, because not enough were free", "because booking 1 was given up in the same step"):
            await expect(page.get_by_text(told)).to_be_visible()
        await expect(page.get_by_text(HOSTILE).first).to_be_visible()
        await page.locator(".story a").first.click()
        await expect(page.locator(".story .wanted")).to_contain_text("stands in line")
        await page.get_by_label("Look for a").select_option("user")
        await page.get_by_label("Their id").fill("bob")
        await page.get_by_role("button", name="Look it up").click()
        await expect(page.get_by_role("heading", name="User bob")).to_be_visible()
        await page.get_by_role("link", name=str(event["id"]), exact=True).click()
        await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
        await page.get_by_role("button", name="Make the report").click()
        await expect(page.locator(".verdict")).to_have_text(
            "Fair: the order of service is the order of arrival, without exception."
        )
        await expect(page.get_by_text("1 came, 1 served, 0 still wait")).to_be_visible()
        await page.goto(f"{node.url}/console#/look/booking/999999")
        await expect(page.get_by_role("alert").first).to_contain_text("999999")
        assert await page.title() == "Onsale console"
        assert seen.faults == []


async def _show_of(client: Client, headers: dict[str, str]) -> dict[str, Any]:
    """An event with one ticket: ada gives hers up, and so it is bob's, who waited: booking 2."""
    body = {
        "name": HOSTILE,
        "startsAt": "2099-01-01T20:00:00Z",
        "ticketTypes": [{"name": "Seat", "price": "10.00", "capacity": 1}],
    }
    event: dict[str, Any] = (await client.call("POST", "/events", body, headers=headers))[1]
    for user in ("ada", "bob"):
        await client.call("POST", "/booking", {"userId": user, "eventId": event["id"]}, headers=headers)
    await client.call("DELETE", "/booking/1", headers=headers)
    return event


async def test_what_is_owed_and_closing_a_concern(browser: Browser, node: Node) -> None:
    """The answers are made up: it takes a provider in trouble to have them."""
    msgspec.convert(OUTBOX, OutboxDocument)  # as nodes answer
    asked: list[Any] = []

    async def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append((route.request.url.removeprefix(node.url), route.request.post_data_json))
            retried = {"refundsRetried": 1, "messagesRetried": 0, "notRetried": [], "refundsFailed": 0}
            await route.fulfill(json={**retried, "messagesDead": 1, "seq": 9})
        else:
            await route.fulfill(json=OUTBOX)

    async with console(browser, node.url) as seen:
        page = seen.page
        await page.route("**/outbox**", answer)
        await page.route("**/outbox/**", answer)
        await sign_in(page, node.url)
        await page.get_by_role("link", name="Owed").click()
        await expect(page.get_by_text(HOSTILE).first).to_be_visible()
        await page.get_by_role("button", name="Try refund-3 again").click()
        await expect(page.get_by_text("1 refunds and 0 messages are tried again.")).to_be_visible()
        await page.get_by_role("button", name="Close dispute:dp_1").click()
        await page.get_by_role("button", name="It is done: close it").click()
        await expect(page.get_by_text("The concern is closed.")).to_be_visible()
        assert asked == [("/outbox/retry", {"refundIds": [3]}), ("/outbox/concerns/close", {"id": "dispute:dp_1"})]
        assert seen.faults == []


async def test_takeover_is_paused_and_resumed_where_nodes_do_it_by_themselves(browser: Browser, node: Node) -> None:
    """Made up, too: it takes an etcd."""
    asked: list[str] = []

    async def shown(route: Any) -> None:
        response = await route.fetch()
        takeover = "paused" if asked[-1:] == ["pause"] else "by_lease"
        await route.fulfill(json=await response.json() | {"takeover": takeover, "problems": [HOSTILE]})

    async def ordered(route: Any) -> None:
        asked.append(route.request.url.rsplit("/", 1)[1])
        await route.fulfill(
            json={"done": True, "epoch": 1, "primary": "a", "sentences": [f"Told: {asked[-1]}."], "seq": 9}
        )

    async with console(browser, node.url) as seen:
        page = seen.page
        await page.route("**/cluster", shown)
        await page.route("**/cluster/*", ordered)
        await sign_in(page, node.url)
        await expect(page.get_by_text("Standbys take over by themselves.")).to_be_visible()
        await expect(page.get_by_text(HOSTILE)).to_be_visible()
        await page.get_by_role("button", name="Pause takeover").click()
        await expect(page.get_by_text("Told: pause.")).to_be_visible()
        await expect(page.get_by_text("Takeover is paused: no standby")).to_be_visible()
        await page.get_by_role("button", name="Resume takeover").click()
        await expect(page.get_by_text("Told: resume.")).to_be_visible()
        assert asked == ["pause", "resume"]
        assert seen.faults == []


async def test_axe_finds_no_fault_and_nothing_sticks_out_at_a_phone(browser: Browser, node: Node) -> None:
    found: list[str] = []
    headers = {"Authorization": f"Bearer {token('operator')}"}
    async with (
        Client(node.url) as client,
        console(browser, node.url, bypass_csp=True, viewport={"width": 360, "height": 700}) as seen,
    ):
        event = await _show_of(client, headers)
        page = seen.page
        await page.route("**/outbox?**", lambda route: route.fulfill(json=OUTBOX))
        await page.goto(f"{node.url}/console")
        await expect(page.get_by_label("Your access token")).to_be_visible()
        found += await axe_faults(page, "sign in")
        await sign_in(page, node.url)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for view in VIEWS if scheme == "light" else DARK_VIEWS:
                await page.goto(f"{node.url}/console#{view.format(event=event['id'])}")
                await expect(page.locator("h1")).to_be_visible()
                await expect(page.locator("progress")).to_have_count(0)
                found += await axe_faults(page, f"{view}, {scheme}", *(["color-contrast"] if scheme == "dark" else []))
                if await page.evaluate("document.documentElement.scrollWidth") > 360:
                    found.append(f"{view}: sticks out")
    assert found == []


# --- of a cluster


async def test_live_figures_move_on_a_node_that_does_not_lead(browser: Browser, trio: Cluster) -> None:
    here = trio.other_than(await trio.primary())
    client = trio.clients[here]
    event = await client.create_event(
        name="Moving", ticketTypes=[{"name": "Seat", "price": "10.00", "capacity": 99_000}]
    )
    enough = asyncio.Event()
    async with console(browser, trio.url(here)) as seen:
        page = seen.page
        shoppers = [asyncio.create_task(_shop(client, event["id"], enough, name)) for name in "abcd"]
        try:
            await page.goto(f"{trio.url(here)}/console#/live")
            held = page.locator(".legend li", has_text="held").locator("strong")
            await expect(held).to_have_text(SOME_PER_SECOND)
            await expect(page.locator(".legend li", has_text="p99").locator("strong")).to_have_text(SOME_TIME)
            await page.goto(f"{trio.url(here)}/console#/onsales")
            await page.locator(".cards").get_by_role("link", name="Moving").click()
            sold = page.locator("td[data-label=held]")
            first = await sold.inner_text()
            await expect(sold).not_to_have_text(first)
            drawn = (
                "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
            )
            assert await page.locator("canvas").first.evaluate(drawn)
        finally:
            enough.set()
            await asyncio.gather(*shoppers)
        assert seen.faults == []


async def _shop(client: Client, event_id: int, enough: asyncio.Event, name: str) -> None:
    number = 0
    while not enough.is_set():
        number += 1
        await client.call("POST", "/booking", {"userId": f"{name}-{number}", "eventId": event_id})


async def test_switchover_then_a_killed_primary_is_seen_and_healed(browser: Browser, trio: Cluster) -> None:
    first = await trio.primary()
    here = trio.other_than(first)
    third = next(name for name in trio.running if name not in (first, here))
    async with console(browser, trio.url(here)) as seen:
        page = seen.page
        await page.goto(f"{trio.url(here)}/console")
        await expect(page.get_by_text("All is well")).to_be_visible()
        await page.get_by_role("button", name="Switchover").click()
        await page.get_by_label("Who is to lead").select_option(third)
        await page.get_by_role("button", name="What would happen?").click()
        await expect(page.get_by_text(f"{first} stops and hands over to {third}")).to_be_visible()
        await page.get_by_role("button", name=f"Let {third} lead").click()
        await expect(page.get_by_role("heading", name=f"{third} leads in epoch")).to_be_visible()
        assert await trio.primary() == third
        await expect(page.get_by_text(f"{third} leads in epoch").first).to_be_visible()
        await trio.settle()

        trio.nodes[third].kill()
        await expect(page.locator(".health strong")).to_have_text("Writes are not answered", timeout=NOTICED_MS)
        await page.get_by_role("button", name="Failover").click()
        await page.get_by_role("button", name="What would happen?").click()
        await page.get_by_role("button", name="Let ").click()
        await expect(page.get_by_role("heading", name="leads in epoch")).to_be_visible()
        await expect(page.locator(".health strong")).to_have_text("Answering, but look at this")
        assert await trio.primary() in (first, here)
        await trio.clients[here].create_event(name="After it")
        await trio.start_node(third)
        await expect(page.get_by_text("All is well")).to_be_visible()
        assert seen.faults == []


async def test_a_failover_that_is_not_safe_is_refused_in_the_same_words(browser: Browser, trio: Cluster) -> None:
    here = trio.other_than(await trio.primary())
    async with console(browser, trio.url(here)) as seen:
        page = seen.page
        await page.goto(f"{trio.url(here)}/console")
        await page.get_by_role("button", name="Failover").click()
        await page.get_by_role("button", name="What would happen?").click()
        await expect(page.get_by_text("Refused as unsafe; nothing was done.")).to_be_visible()
        told = await page.locator(".refused li").all_inner_texts()
        refused = await trio.order(here, "failover")
        assert refused.code == 4
        words = refused.document["sentences"][-1].replace("`", "")  # what stands between them is shown as code
        assert told[-1].split("seq")[0] == words.split("seq")[0]
        await page.get_by_role("button", name="Leave it").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert seen.faults == []


async def test_a_page_whose_node_is_gone_says_so_and_names_the_others(browser: Browser, trio: Cluster) -> None:
    here = trio.other_than(await trio.primary())
    others = [name for name in trio.running if name != here]
    async with console(browser, trio.url(here)) as seen:
        page = seen.page
        await page.goto(f"{trio.url(here)}/console#/live")
        await expect(page.get_by_text("All is well")).to_be_visible()
        trio.nodes[here].kill()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text(f"{here}, where this page comes from, does not answer")
        for name in others:
            link = alert.get_by_role("link", name=f"{name} (")
            assert await link.get_attribute("href") == f"{trio.url(name)}/console#/live"
        await trio.start_node(here)
        await expect(page.get_by_text("All is well")).to_be_visible()
        assert seen.faults == []
