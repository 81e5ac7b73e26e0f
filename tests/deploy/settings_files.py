"""What a deployment may say: read from its files, and compared with what the product knows."""

import re
from pathlib import Path

import click

from onsale.http.routes import ROUTES
from onsale.node.command_line import main

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PATHS = {route.path for route in ROUTES if route.method == "GET"}

_VARIABLE = re.compile(r"\"((?:ONSALE|STRIPE)_[A-Z_]+)\"")


def read_settings(path: Path) -> dict[str, str]:
    """A file of environment variables, as systemd and compose read it."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def variables_of(command: str) -> set[str]:
    """Its flags, as they are called in the environment."""
    found = {parameter.envvar for parameter in main.commands[command].params if isinstance(parameter, click.Option)}
    return {name for name in found if isinstance(name, str)}


def variables_read() -> set[str]:
    """What is read from the environment and is no flag."""
    return {
        name
        for package in ("node", "effects", "http")
        for path in (ROOT / package).rglob("*.py")
        for name in _VARIABLE.findall(path.read_text())
    }
