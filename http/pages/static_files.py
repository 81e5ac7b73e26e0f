"""The files that pages are made of: scripts, styles, texts; read once, kept compressed, named after what is in them.

Owns `StaticFiles`. A path has the version of all files together in it, so a browser may keep what it has for ever, and
modules that import one another are always of one version. Nothing is read from disk while calls are answered.
"""

import gzip
import importlib.resources
from functools import cache
from hashlib import blake2b
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
}
WORTH_COMPRESSING_BYTES: Final = 512
_VERSION_BYTES: Final = 8


class StaticFile(NamedTuple):
    body: bytes
    compressed: bytes | None  # gzip, where that is smaller
    content_type: str


class StaticFiles(NamedTuple):
    """`files` by folder and name."""

    version: str
    files: dict[tuple[str, str], StaticFile]

    def address(self, folder: str, name: str) -> str:
        return f"/static/{self.version}/{folder}/{name}"


@cache
def static_files() -> StaticFiles:
    """All of them, as they are in the package."""
    files: dict[tuple[str, str], StaticFile] = {}
    digest = blake2b(digest_size=_VERSION_BYTES)
    for folder in _sorted(importlib.resources.files("onsale") / "http" / "static"):
        if not folder.is_dir():
            continue
        for each in _sorted(folder):
            kind = TYPES.get(each.name.rpartition(".")[2])
            if kind is not None:
                body = each.read_bytes()
                digest.update(f"{folder.name}/{each.name}:{len(body)}:".encode())
                digest.update(body)
                files[folder.name, each.name] = StaticFile(body, _compressed(body), kind)
    return StaticFiles(digest.hexdigest(), files)


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda each: each.name)


def _compressed(body: bytes) -> bytes | None:
    small = gzip.compress(body, 9, mtime=0) if len(body) >= WORTH_COMPRESSING_BYTES else body
    return small if len(small) < len(body) else None
