"""Takes the README's pictures: `python tests/processes/pictures.py [FOLDER]`. Needs Chromium.

Owns which they are: the storefront and a ticket at a phone, and the console while a simulated crowd is buying.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from browsers import chromium, new_page
from cluster import Cluster
from playwright.async_api import Browser, expect

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1120, "height": 760}
CROWD = {"people": 1500, "bots": 40, "tickets": 400, "opensSeconds": 2, "arriveSeconds": 25}
WATCHED_SECONDS = 40


async def storefront(browser: Browser, url: str, folder: Path) -> None:
    page = await new_page(browser, viewport=WIDE)
    await page.goto(url)
    await expect(page.locator(".card.event").nth(5)).to_be_visible()
    await page.screenshot(path=folder / "storefront.png")
    phone = await new_page(browser, viewport=PHONE, color_scheme="dark")
    await phone.goto(url)
    await phone.get_by_label("Search").fill("lighthouse")
    await phone.get_by_role("link", name="Lighthouse").click()
    await phone.get_by_label("Your name").fill("Ada")
    await phone.get_by_role("button", name="Go on").click()
    await phone.get_by_role("button", name="Choose seats").click()
    for seat in (4, 5):
        await phone.locator(f'.seat[data-at="2,{seat}"]').click()
    await phone.locator(".seats").scroll_into_view_if_needed()
    await phone.screenshot(path=folder / "seats.png")
    await phone.get_by_role("button", name="Hold them for me").click()
    await phone.get_by_role("button", name="Pay").click()
    await expect(phone.get_by_role("heading", name="Yours")).to_be_visible()
    await phone.wait_for_function("() => [...document.images].every((image) => image.complete && image.naturalWidth)")
    await phone.get_by_role("heading", name="Yours").scroll_into_view_if_needed()
    await phone.screenshot(path=folder / "ticket.png")


async def console(browser: Browser, url: str, folder: Path) -> None:
    page = await new_page(browser, viewport=WIDE, color_scheme="dark")
    await page.goto(f"{url}/console#/live")
    await asyncio.sleep(WATCHED_SECONDS)
    await page.screenshot(path=folder / "console-live.png", full_page=True)
    await page.get_by_role("link", name="Cluster").click()
    await expect(page.get_by_role("heading", name="Cluster")).to_be_visible()
    await asyncio.sleep(1)
    await page.screenshot(path=folder / "console-cluster.png")


async def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        cluster = Cluster(Path(data), standbys=1, replicas=1, flags=("--sample",))
        try:
            await cluster.start_node("a", "--demo")
            await cluster.start()
            async with chromium() as browser:
                await storefront(browser, cluster.url("a"), folder)
                await cluster.clients["b"].call("POST", "/rehearsal", CROWD)
                await console(browser, cluster.url("b"), folder)
        finally:
            await cluster.__aexit__()


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
