"""`onsale token`: one access token, signed with the key of a data folder or of the environment.

Owns where the key comes from, and what is said when one is made.
"""

import os
from pathlib import Path

from ...http.access.auth import issue_token
from ...http.access.keys import read_or_create_key
from ..access import KEY_FILE
from .output import CommandFailed, failures_told, note


def make_token(data: Path, role: str, sub: str, lifetime_seconds: int) -> str:
    """Make the folder and the key when they are missing. Raises CommandFailed."""
    if os.environ.get("ONSALE_JWKS_URL"):
        raise CommandFailed(
            "ONSALE_JWKS_URL is set: tokens come from that identity provider, which alone has the keys. Ask it for one."
        )
    try:
        return issue_token(_key(data), role, sub, lifetime_seconds)
    except ValueError as error:
        raise CommandFailed(str(error)) from error


def _key(data: Path) -> bytes:
    configured = os.environ.get("ONSALE_JWT_KEY")
    if configured:
        return configured.encode()
    with failures_told():
        data.mkdir(parents=True, exist_ok=True)
        key, created = read_or_create_key(data / KEY_FILE)
    if created:
        note(
            f"made the key {data / KEY_FILE}. From its next start on, a node on {data} asks for a token; remove the "
            "file to be open on this machine again."
        )
    return key
