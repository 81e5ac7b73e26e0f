"""What all commands have in common: how flags are declared, and those that several take.

Owns the settings of help and environment. Every flag can be given as ONSALE_… in the environment too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

SETTINGS: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "show_default": True,
    "max_content_width": 110,
}


def flag(name: str, *more: str, **settings: Any) -> Callable[[Any], Any]:
    """An option that ONSALE_… in the environment stands for too: `--hold-seconds` is `ONSALE_HOLD_SECONDS`."""
    variable = "ONSALE_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *more, envvar=variable, show_envvar=True, **settings)


existing_folder = click.Path(exists=True, file_okay=False, path_type=Path)
format_flag = flag(
    "--format", "file_format", type=click.Choice(["table", "json"]), default="table", help="For people or for programs."
)
existing_data_flag = flag(
    "--data", type=existing_folder, required=True, metavar="DIR", help="The data folder of a node."
)
node_flag = flag("--node", default="http://127.0.0.1:8080", metavar="URL", help="A node's address.")
token_flag = flag("--token", metavar="T", help="An organiser's access token; see `onsale token`.")


class InOrder(click.Group):
    """Lists commands in the order in which they are defined: the one to start with first."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


def examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
