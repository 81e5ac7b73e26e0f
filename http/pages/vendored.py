"""What of other projects is kept in static/vendor; `python -m onsale.http.pages.vendored` brings it up to date.

Owns the list: package, version, which released files are taken, under which names. Needs npm, and is no part of a node.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

VENDOR: Final = Path(__file__).parent.parent / "static" / "vendor"


class Package(NamedTuple):
    """`files`: path in the package → name here."""

    name: str
    version: str
    why: str
    files: dict[str, str]


PACKAGES: Final = (
    Package(
        "htm",
        "3.1.1",
        "Preact with hooks and templates, without a build step: one file",
        {"preact/standalone.module.js": "preact-htm.js", "LICENSE": "htm.LICENSE"},
    ),
    Package("preact", "10.29.8", "the licence of what the file above has in it", {"LICENSE": "preact.LICENSE"}),
    Package(
        "uplot",
        "1.6.32",
        "Charts that move, for the console",
        {"dist/uPlot.esm.js": "uplot.js", "dist/uPlot.min.css": "uplot.css", "LICENSE": "uplot.LICENSE"},
    ),
)


def refresh() -> None:
    """Fetch every package as npm has it, and take its files."""
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            wanted = f"{package.name}@{package.version}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", wanted],  # noqa: S607 - whichever npm is first in the path
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            )
            with tarfile.open(Path(folder) / packed.stdout.strip().splitlines()[-1]) as archive:
                for source, name in package.files.items():
                    found = archive.extractfile(f"package/{source}")
                    if found is None:
                        sys.exit(f"{wanted} has no {source} any more: look what has become of it.")
                    (VENDOR / name).write_bytes(found.read())
            print(f"{wanted}: {', '.join(package.files.values())}")


if __name__ == "__main__":
    refresh()
