"""Where the key comes from that access tokens are checked with.

Owns the choice: ONSALE_JWT_KEY, ONSALE_JWKS_URL, a key file in the data folder, or none.
"""

import os
from pathlib import Path

from ..http.auth import Authenticator

KEY_FILE = "jwt.key"


class NotConfigured(Exception):
    """Authentication is asked for in a way that cannot work."""


def make_authenticator(data: Path) -> Authenticator:
    """Raises NotConfigured."""
    key, url = os.environ.get("ONSALE_JWT_KEY"), os.environ.get("ONSALE_JWKS_URL")
    path = data / KEY_FILE
    if key and url:
        raise NotConfigured("ONSALE_JWT_KEY and ONSALE_JWKS_URL are both set; set the one that is meant.")
    try:
        if key:
            return Authenticator.with_key(key.encode())
        if url:
            return Authenticator.with_jwks(url)
        if path.exists():
            return Authenticator.with_key(path.read_bytes().strip())
    except ValueError as error:
        raise NotConfigured(str(error)) from error
    return Authenticator.open(path)
