"""What the pages about the API have in common: where they begin and end, and how text becomes HTML.

Owns the frame. Scripts and styles are files of their own (static/docs), so that a policy can forbid all others;
whatever is put into a page is escaped on its way.
"""

import re
from collections.abc import Iterator
from html import escape
from typing import Final

from ..pages.static_files import static_files

FOLDER: Final = "docs"
_CODE = re.compile(r"`([^`]+)`")


def head(title: str) -> str:
    address = static_files().address
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{text(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="{address(FOLDER, "icon.svg")}" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{address(FOLDER, "style.css")}">'
        f'<script type="module" src="{address(FOLDER, "main.js")}"></script></head>'
        '<body><a class="skip" href="#content">Skip to the content</a>'
    )


def navigation(items: Iterator[str]) -> Iterator[str]:
    """Beside the page where there is room for it, and closed above it where there is none (main.js)."""
    yield '<nav aria-label="Contents"><details><summary>Contents</summary><ul>'
    yield from items
    yield "</ul></details></nav>"


def end() -> str:
    return "</main></body></html>"


def badge(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def text(plain: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(plain))
