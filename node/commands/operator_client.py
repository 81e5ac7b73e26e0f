"""A running node asked about money, messages and tickets, one question at a time.

Owns how long each question may take. The traffic is that of cluster_client.py: the first address that takes the
connection is asked, and a node that does not lead says who does.
"""

import click

from .cluster_client import ORDER_SECONDS, STATUS_SECONDS, ClusterClient, Document, parse_addresses
from .flags import flag

node_flag = flag(
    "--node",
    default="http://127.0.0.1:8080",
    metavar="URL",
    help="A node's address; several with commas: the first that is there is asked.",
)
operator_flag = flag("--token", metavar="T", help="An operator's access token; see `onsale token`.")
organiser_flag = flag("--token", metavar="T", help="An organiser's access token; see `onsale token`.")


class OperatorClient(ClusterClient):
    """All of it raises CommandFailed."""

    def get(self, path: str) -> Document:
        return self._asked("GET", path, None, STATUS_SECONDS)

    def post(self, path: str, body: Document | None = None, seconds: float = ORDER_SECONDS) -> Document:
        return self._asked("POST", path, body, seconds)


def client_of(node: str, token: str | None) -> OperatorClient:
    try:
        return OperatorClient(parse_addresses(node), token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--node") from error
