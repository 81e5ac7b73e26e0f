"""The HTML that a page begins with, and what its scripts may do.

Owns the few lines every page has, and its Content-Security-Policy: nothing is loaded from any other host, unless Stripe
takes the payments; no script or style stands in the page itself; nobody may frame it.
"""

import json
from html import escape
from typing import Any, Final

from .static_files import StaticFiles

STRIPE_SCRIPT: Final = "https://js.stripe.com/v3/"
_STRIPE_POLICY: Final = {
    "script-src": "https://js.stripe.com",
    "connect-src": "https://api.stripe.com",
    "frame-src": "https://js.stripe.com https://hooks.stripe.com",
    "img-src": "https://*.stripe.com",
}
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "frame-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def policy(*, stripe: bool) -> str:
    """The value of Content-Security-Policy."""
    told = []
    for name, sources in _POLICY.items():
        more = _STRIPE_POLICY.get(name, "") if stripe else ""
        kept = "" if more and sources == "'none'" else sources
        told.append(" ".join(part for part in (name, kept, more) if part))
    return "; ".join(told)


def page(
    files: StaticFiles,
    folder: str,
    title: str,
    settings: dict[str, Any],
    *,
    styles: tuple[tuple[str, str], ...] = (),
    modules: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """HTML that starts `main.js` of a folder; `settings` are for its scripts, never run.

    `styles` come before the folder's own, and `modules` are what it takes from elsewhere: (folder, name).
    """
    script = files.address(folder, "main.js")
    data = json.dumps(settings, ensure_ascii=True).replace("<", "\\u003c")
    preloads = "".join(
        f'<link rel="modulepreload" href="{files.address(each, name)}">'
        for each, name in sorted(files.files)
        if ((each == folder and name.endswith(".js")) or (each, name) in (("vendor", "preact-htm.js"), *modules))
        and not name.endswith(".worker.js")
    )
    sheets = "\n".join(
        f'<link rel="stylesheet" href="{files.address(each, name)}">' for each, name in (*styles, (folder, "style.css"))
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="{files.address(folder, "icon.svg")}" type="image/svg+xml">
{sheets}
{preloads}
</head>
<body>
<div id="app"><noscript>This page needs JavaScript. The API does not: <a href="/docs">/docs</a>.</noscript></div>
<script type="application/json" id="settings">{data}</script>
<script type="module" src="{script}"></script>
</body>
</html>
""".encode()
