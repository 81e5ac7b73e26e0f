"""The storefront in a real browser, against a real node: from the search to the ticket, and what goes wrong on the way.

Skipped where there is no Chromium.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM, HOSTILE, Watched, axe_faults, chromium, new_page
from cluster import Cluster
from nodes import Client, Node
from playwright.async_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("storefront") / "data", "--demo", "--hold-seconds", "30")
    node.data.parent.mkdir(exist_ok=True)
    node.start()
    yield node
    node.end()


@pytest.fixture
async def client(node: Node) -> AsyncIterator[Client]:
    async with Client(node.url) as client:
        yield client


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


class Visitor(Watched):
    """Somebody at a browser of their own."""

    async def open(self, event: dict[str, Any]) -> None:
        await self.page.goto(f"{self.url}/#/events/{event['id']}")
        await expect(self.page.locator("h1")).to_have_text(event["name"])

    async def say_who(self, name: str) -> None:
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_role("button", name="Go on").click()

    async def hold(self) -> None:
        await self.page.get_by_role("button", name="Hold them for me").click()
        await expect(self.page.get_by_role("heading", name="Held for you")).to_be_visible()

    async def pay(self, card: str) -> None:
        await self.page.get_by_label("Test card").select_option(card)
        await self.page.get_by_role("button", name="Pay").click()


async def visit(browser: Browser, node: Node, **settings: Any) -> Visitor:
    return Visitor(await new_page(browser, **settings), node.url)


async def test_from_the_search_to_the_ticket_at_a_phone(browser: Browser, node: Node) -> None:
    ada = await visit(browser, node, viewport={"width": 360, "height": 700})
    page = ada.page
    await page.goto(node.url)
    await page.get_by_label("Search").fill("kitch")
    await expect(page.locator(".card.event")).not_to_have_count(24)  # else the click may meet one that is replaced
    await page.get_by_role("link", name="Kitchen Concert").click()
    await ada.say_who(HOSTILE)
    await ada.hold()
    await ada.pay("pm_card_chargeDeclined")
    await expect(page.get_by_role("alert")).to_contain_text("declined")
    await page.reload()
    await ada.pay("pm_card_visa")
    await expect(page.get_by_role("heading", name="Yours")).to_be_visible()
    picture = page.get_by_role("img", name="Ticket 1")
    await expect(picture).to_be_visible()
    await page.wait_for_function("image => image.naturalWidth > 0", arg=await picture.element_handle())
    await page.get_by_role("link", name="My bookings").click()
    await expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert await page.title() == "Onsale"
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing sticks out"
    assert ada.faults == []


async def test_a_waiting_room_with_a_sum_to_do_and_a_place_that_outlives_a_reload(browser: Browser, node: Node) -> None:
    ada = await visit(browser, node)
    page = ada.page
    await page.goto(node.url)
    await page.get_by_label("Search").fill("comet")
    await page.get_by_role("link", name="Comet").click()
    await ada.say_who("Ada")
    await page.get_by_role("button", name="Join the queue").click()
    await expect(page.get_by_text("It is your turn!")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("It is your turn!")).to_be_visible()
    await ada.hold()
    assert ada.faults == []


async def tab_to(page: Page, target: Locator) -> None:
    """By the Tab key alone, as somebody without a mouse."""
    for _ in range(80):
        if await target.count() and await target.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


async def test_chosen_seats_are_bought_by_keyboard_alone(browser: Browser, node: Node) -> None:
    ada = await visit(browser, node)
    page = ada.page
    await page.goto(node.url)
    await tab_to(page, page.get_by_label("Search"))
    await page.keyboard.type("lighthouse")
    found = page.get_by_role("link", name="Lighthouse")
    await expect(found).to_be_visible()
    await tab_to(page, found)
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_label("Your name"))
    await page.keyboard.type("Ada")
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("button", name="Choose seats"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("button", name="Row A, seat 1, free", exact=True))
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        await page.keyboard.press(key)
    await expect(page.get_by_text("1 seat chosen: B 2")).to_be_visible()
    await tab_to(page, page.get_by_role("button", name="Hold them for me"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Held for you")).to_be_visible()
    await expect(page.get_by_text("Stalls B 2")).to_be_visible()
    await tab_to(page, page.get_by_role("button", name="Pay"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Yours")).to_be_visible()
    await expect(page.get_by_role("img", name="Ticket 1")).to_be_visible()
    assert ada.faults == []


async def test_whoever_waits_is_told_in_another_browser(browser: Browser, node: Node, client: Client) -> None:
    event = await client.create_event(
        name=f"One seat {HOSTILE}", ticketTypes=[{"name": "Seat", "price": "10.00", "capacity": 1}]
    )
    ada, bob = await visit(browser, node), await visit(browser, node)
    for visitor, name in ((ada, "Ada"), (bob, "Bob")):
        await visitor.open(event)
        await visitor.say_who(name)
    await ada.hold()
    await bob.page.get_by_role("button", name="Join the line").click()
    await expect(bob.page.get_by_role("heading", name="You stand in line")).to_be_visible()
    await bob.page.goto(f"{node.url}/#/")
    await ada.page.get_by_role("button", name="Give it up").click()
    await expect(bob.page.get_by_role("link", name="held for you")).to_be_visible()
    await bob.page.get_by_role("link", name="held for you").click()
    await bob.pay("pm_card_visa")
    await expect(bob.page.get_by_role("heading", name="Yours")).to_be_visible()
    assert ada.faults == bob.faults == []


async def test_two_tabs_are_one_person(browser: Browser, node: Node, client: Client) -> None:
    event = await client.create_event(name="Two tabs")
    ada = await visit(browser, node)
    await ada.open(event)
    second = Visitor(await ada.page.context.new_page(), node.url)
    await second.open(event)
    await ada.say_who("Ada")
    await second.hold()
    await expect(ada.page.get_by_role("heading", name="Held for you")).to_be_visible()


async def test_a_node_that_is_killed_in_the_middle_loses_nothing(browser: Browser, node: Node, client: Client) -> None:
    event = await client.create_event(name="Power cut")
    node.port = int(node.url.rsplit(":", 1)[1])
    ada = await visit(browser, node)
    await ada.open(event)
    await ada.say_who("Ada")
    await ada.hold()
    node.kill()
    await ada.page.get_by_role("button", name="Pay").click()
    await expect(ada.page.get_by_text("can't be reached at the moment")).to_be_visible()
    await asyncio.to_thread(node.start)
    await expect(ada.page.get_by_role("heading", name="Yours")).to_be_visible(timeout=20_000)
    await expect(ada.page.get_by_text("can't be reached at the moment")).to_be_hidden()


async def test_a_hold_that_lapses_is_counted_down_by_the_nodes_clock_and_explained(
    browser: Browser, tmp_path: Path
) -> None:
    node = Node(tmp_path / "data", "--hold-seconds", "3")
    await asyncio.to_thread(node.start)
    try:
        async with Client(node.url) as client:
            event = await client.create_event(name="Too slow")
        ada = await visit(browser, node)
        await ada.page.add_init_script("const real = Date.now; Date.now = () => real() - 3_600_000")  # an hour behind
        await ada.open(event)
        await ada.say_who("Ada")
        await ada.hold()
        left = ada.page.get_by_role("timer", name="Time left")
        await expect(left).to_have_text(re.compile(r"0:0[1-4]"))
        await expect(ada.page.get_by_text("your tickets were released")).to_be_visible()
        await expect(left).to_have_count(0)
        await ada.page.get_by_role("button", name="Hold them for me").click()
        await ada.pay("pm_card_visa")
        await expect(ada.page.get_by_role("heading", name="Yours")).to_be_visible()
        assert ada.faults == []
    finally:
        node.end()


async def test_a_failover_in_the_middle_of_a_payment(browser: Browser, tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        event = await cluster.clients["a"].create_event(name="Failover")
        ada = await visit(browser, cluster.nodes["c"])
        await ada.open(event)
        await ada.say_who("Ada")
        await ada.hold()
        cluster.nodes["a"].kill()
        await ada.page.get_by_role("button", name="Pay").click()
        ended = await cluster.order("b", "failover")
        assert ended.code == 0, ended
        await expect(ada.page.get_by_role("heading", name="Yours")).to_be_visible(timeout=20_000)
        booking = (await cluster.clients["b"].call("GET", "/booking/1"))[1]
        assert (booking["status"], booking["amount"]) == ("confirmed", "10.00")
        assert ada.faults == []


async def test_hostile_text_in_addresses_and_searches_is_text(browser: Browser, node: Node) -> None:
    ada = await visit(browser, node)
    for address in (f"/?search={HOSTILE}", f"/#/{HOSTILE}", f"/?{HOSTILE}#/events/{HOSTILE}", "/#/events/999999"):
        await ada.page.goto("about:blank")
        await ada.page.goto(node.url + address)
        await expect(ada.page.locator("h1")).to_be_visible()
        assert await ada.page.title() == "Onsale"
    await ada.page.goto(node.url + "/#/")
    await ada.page.get_by_label("Search").fill(HOSTILE)
    await expect(ada.page.get_by_text(re.compile(r"^\d+ events?"))).to_be_visible()
    assert await ada.page.title() == "Onsale"
    assert ada.faults == []


async def test_in_german_and_in_the_dark(browser: Browser, node: Node) -> None:
    ada = await visit(browser, node, color_scheme="dark")
    await ada.page.goto(node.url)
    await ada.page.get_by_label("Language").select_option("de")
    await expect(ada.page.get_by_role("heading", name="Veranstaltung finden")).to_be_visible()
    await ada.page.reload()
    await expect(ada.page.get_by_role("heading", name="Veranstaltung finden")).to_be_visible()
    ground = await ada.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(19, 18, 24)"
    assert ada.faults == []


async def test_axe_finds_no_fault(browser: Browser, node: Node, client: Client) -> None:
    """On every view: the search, an event, its seats, a hold, the tickets, the line, the waiting room."""
    found: list[str] = []

    async def check(where: str) -> None:
        found.extend(await axe_faults(ada.page, where))

    ada = await visit(browser, node, bypass_csp=True)  # axe is put into the page
    page = ada.page
    await page.goto(node.url)
    await expect(page.get_by_role("listitem").first).to_be_visible()
    await check("search")
    event = await client.create_event(name="One", ticketTypes=[{"name": "Seat", "price": "10.00", "capacity": 2}])
    await ada.open(event)
    await check("event, a stranger")
    await ada.say_who("Ada")
    await ada.hold()
    await check("hold")
    await ada.pay("pm_card_visa")
    await expect(page.get_by_role("heading", name="Yours")).to_be_visible()
    await check("tickets")
    await page.get_by_text("Get more tickets").click()
    await page.get_by_label("How many").fill("2")
    await check("more tickets")
    await page.get_by_role("button", name="Join the line").click()
    await expect(page.get_by_role("heading", name="You stand in line")).to_be_visible()
    await check("line")
    for search, button in (("lighthouse", "Choose seats"), ("comet", "Join the queue")):
        (shown, *_) = (await client.call("GET", f"/events?search={search}"))[1]
        await ada.open(shown)
        await page.get_by_role("button", name=button).click()
        await expect(page.locator(".seat, .turn, .position").first).to_be_visible()
        await check(search)
    await page.get_by_role("link", name="My bookings").click()
    await expect(page.get_by_role("heading", name="What you were told")).to_be_visible()
    await check("my bookings")
    await page.emulate_media(color_scheme="dark")
    await check("my bookings in the dark")
    await ada.open(shown)
    await check("a waiting room in the dark")
    assert found == []
