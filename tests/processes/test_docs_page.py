"""The API's pages in a real browser, against a real node: calls are sent from them. Skipped without Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from browsers import CHROMIUM, HOSTILE, Watched, axe_faults, chromium, new_page
from nodes import Client, Node
from playwright.async_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"), pytest.mark.timeout(120)]

FEWER = """[...document.querySelectorAll("article")].filter((each) => !each.querySelector(".answered")).slice(4)
  .forEach((each) => each.remove())"""  # the rest is of the same shapes, and takes half a minute


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("docs") / "data", "--demo")
    node.start()
    yield node
    node.end()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def sent(page: Page, call: str, **fields: str) -> Locator:
    """Where the answer stands, once it is there."""
    article = page.locator(f"#{call}")
    await article.get_by_text("Send it from here").click()
    for name, value in fields.items():
        await article.get_by_label(name, exact=True).fill(value)
    await article.get_by_role("button", name="Send").click()
    await expect(article.locator(".answered")).to_be_visible()
    return article


async def test_from_a_hold_to_the_door_with_what_stands_on_the_page(browser: Browser, node: Node) -> None:
    reader = Watched(await new_page(browser, viewport={"width": 360, "height": 700}), node.url)
    page = reader.page
    await page.goto(f"{node.url}/docs")
    held = await sent(page, "book")
    await expect(held.locator(".answered")).to_contain_text("201")
    await expect(held.locator(".body")).to_contain_text('"status": "held"')
    await expect(held.locator(".headers")).to_contain_text("onsale-seq: ")
    await expect((await sent(page, "pay")).locator(".body")).to_contain_text('"status": "succeeded"')
    await expect((await sent(page, "checkIn")).locator(".answered")).to_contain_text("200")
    picture = (await sent(page, "drawTicketAsSvg")).get_by_alt_text("The picture that was answered")
    await expect(picture).to_be_visible()
    joined = await sent(page, "joinQueue")
    await expect(joined.get_by_role("link", name="What challenge_required means")).to_be_visible()
    await joined.get_by_role("button", name="Solve a challenge").click()
    await expect(joined.locator(".answered")).to_contain_text("201")
    assert reader.faults == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing sticks out"


async def test_what_is_answered_is_text(browser: Browser, node: Node) -> None:
    reader = Watched(await new_page(browser), node.url)
    page = reader.page
    async with Client(node.url) as client:
        event = await client.create_event(name=HOSTILE)
    await page.goto(f"{node.url}/docs#getEvent")
    title = await page.title()
    answered = await sent(page, "getEvent", eventId=str(event["id"]))
    await expect(answered.locator(".body")).to_contain_text(HOSTILE.replace('"', '\\"'))
    await expect(answered.locator(".curl")).to_contain_text(f"{node.url}/events/{event['id']}")
    answered = await sent(page, "streamUserNotifications")
    await expect(answered.locator(".headers")).to_contain_text("text/event-stream")
    answered = await sent(page, "getBooking", bookingId="../<b>'")
    await expect(answered.locator(".answered")).to_contain_text("400")
    await expect(answered.locator(".curl")).to_contain_text(f"{node.url}/booking/..%2F%3Cb%3E")
    assert await page.title() == title, "shown, not run"
    assert reader.faults == []


async def test_a_token_stays_in_the_tab_and_goes_into_a_header(browser: Browser, node: Node) -> None:
    reader = Watched(await new_page(browser), node.url)
    page = reader.page
    await page.goto(f"{node.url}/docs")
    await page.get_by_label("Access token").fill("secret-1")
    line = page.locator("#book .curl")
    await expect(line).to_contain_text('-H "Authorization: Bearer $ONSALE_TOKEN"')
    await expect(line).not_to_contain_text("secret-1")
    await page.reload()
    await expect(page.get_by_label("Access token")).to_have_value("secret-1")
    async with page.expect_request("**/booking") as asked:
        await sent(page, "book")
    assert (await (await asked.value).all_headers())["authorization"] == "Bearer secret-1"
    elsewhere = await page.context.new_page()
    await elsewhere.goto(f"{node.url}/docs")
    await expect(elsewhere.get_by_label("Access token")).to_have_value("")
    assert reader.faults == []


async def test_it_is_used_by_keyboard_and_what_cannot_be_undone_is_asked_twice(browser: Browser, node: Node) -> None:
    page = await new_page(browser)
    questions: list[str] = []

    async def no(dialog: object) -> None:
        questions.append(dialog.message)  # type: ignore[attr-defined]
        await dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", no)
    await page.goto(f"{node.url}/docs")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    summary = page.locator("#cancelEvent .call summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    for _ in range(3):  # the event's id, the key, the button
        await page.keyboard.press("Tab")
    await expect(page.locator("#cancelEvent").get_by_role("button", name="Send")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#cancelEvent .answered")).to_have_count(0)
    assert len(questions) == 1
    assert "/events/2/cancel" in questions[0]


async def test_an_errors_type_leads_to_its_paragraph(browser: Browser, node: Node) -> None:
    reader = Watched(await new_page(browser, viewport={"width": 360, "height": 700}), node.url)
    page = reader.page
    await page.goto(f"{node.url}/docs/errors#hold_expired")
    await expect(page.locator("article:target")).to_contain_text("The hold lapsed before it was paid")
    await expect(page.locator("article:target")).to_be_in_viewport()
    await page.locator("article:target").get_by_role("link", name="/pay").click()
    await expect(page.locator("#pay")).to_be_in_viewport()
    assert reader.faults == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_axe_finds_no_fault(browser: Browser, node: Node) -> None:
    page = await new_page(browser, bypass_csp=True)
    await page.goto(f"{node.url}/docs")
    await sent(page, "getUser")
    await sent(page, "listEvents")
    await page.evaluate(FEWER)
    faults = await axe_faults(page, "light")
    await page.emulate_media(color_scheme="dark")
    faults += await axe_faults(page, "dark", "color-contrast")
    await page.goto(f"{node.url}/docs/errors")
    await page.evaluate(FEWER)
    assert faults + await axe_faults(page, "errors, dark") == []
