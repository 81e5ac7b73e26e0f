"""A real browser for tests of pages, and somebody who looks on: what a page complains of, and whom it asks."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = '<img src=x onerror="document.title=1">'
WAIT_MS = 10_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Watched:
    """A page at `url`. Kept are errors of its scripts, what its policy refused, and requests to anybody else."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"it asks {request.url}")


async def new_page(browser: Browser, **settings: Any) -> Page:
    """Of a visitor of its own."""
    context = await browser.new_context(locale="en", **settings)
    context.set_default_timeout(WAIT_MS)
    return await context.new_page()


async def axe_faults(page: Page, where: str, *rules: str) -> list[str]:
    """What axe finds wrong there, by these rules or by all. The page must have been opened with bypass_csp: axe is put
    into it.
    """
    outcome = await Axe().run(page, options={"runOnly": list(rules)} if rules else None)
    return [f"{where}: {each['id']} ({each['impact']}), {each['help']}" for each in outcome.response["violations"]]
