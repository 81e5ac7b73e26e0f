"""The API's page in a real browser, against a real node: every call can be tried from it. Skipped without Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from browsers import CHROMIUM, HOSTILE, Watched, axe_faults, chromium, new_page
from nodes import Client, Node
from playwright.async_api import Browser, Locator, expect

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"), pytest.mark.timeout(120)]


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


async def tried(article: Locator, path: str | None = None) -> Locator:
    """Where the answer stands, once it is there."""
    await article.get_by_text("Try it").click()
    if path is not None:
        await article.locator(".try input").fill(path)
    await article.get_by_role("button", name="Send").click()
    answer = article.locator("output pre")
    await expect(answer).to_be_visible()
    return answer


async def test_calls_are_tried_from_the_page(browser: Browser, node: Node) -> None:
    reader = Watched(await new_page(browser, viewport={"width": 360, "height": 700}), node.url)
    page = reader.page
    async with Client(node.url) as client:
        event = await client.create_event(name=HOSTILE)
    await page.goto(f"{node.url}/docs")
    title = await page.title()
    answer = await tried(page.locator("#book"))
    await expect(answer).to_contain_text("201")
    await expect(answer).to_contain_text('"status": "held"')
    answer = await tried(page.locator("#getEvent"), f"/events/{event['id']}")
    await expect(answer).to_contain_text(HOSTILE.replace('"', '\\"'))
    answer = await tried(page.locator("#streamUserNotifications"), "/users/u-1/stream")
    await expect(answer).to_contain_text("text/event-stream")
    assert await page.title() == title, "what is answered is shown, not run"
    assert reader.faults == []
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, "nothing sticks out"


async def test_axe_finds_no_fault(browser: Browser, node: Node) -> None:
    page = await new_page(browser, bypass_csp=True)
    await page.goto(f"{node.url}/docs")
    await tried(page.locator("#listEvents"))
    # the rest is of the same shapes, and takes half a minute
    await page.evaluate("[...document.querySelectorAll('article')].slice(6).forEach((each) => each.remove())")
    faults = await axe_faults(page, "light")
    await page.emulate_media(color_scheme="dark")
    assert faults + await axe_faults(page, "dark") == []
