"""Where the key comes from that access tokens are checked with.

Owns the choice: ONSALE_JWT_KEY, ONSALE_JWKS_URL, a key file in the data folder, or none; ONSALE_JWT_AUDIENCE and
ONSALE_JWT_ISSUER narrow what is accepted.
"""

import os
from pathlib import Path

from ..http.access.auth import Authenticator
from ..http.access.keys import read_key

KEY_FILE = "jwt.key"


class NotConfigured(Exception):
    """Authentication is asked for in a way that cannot work."""


def make_authenticator(data: Path) -> Authenticator:
    """Raises NotConfigured."""
    key, url = os.environ.get("ONSALE_JWT_KEY", "").strip(), os.environ.get("ONSALE_JWKS_URL", "").strip()
    audience, issuer = os.environ.get("ONSALE_JWT_AUDIENCE") or None, os.environ.get("ONSALE_JWT_ISSUER") or None
    path = data / KEY_FILE
    if key and url:
        raise NotConfigured("ONSALE_JWT_KEY and ONSALE_JWKS_URL are both set; set the one that is meant.")
    try:
        if key:
            return Authenticator.with_key(key.encode(), audience=audience, issuer=issuer)
        if url:
            return Authenticator.with_jwks(url, audience=audience, issuer=issuer)
        if path.exists():
            return Authenticator.with_key(read_key(path), audience=audience, issuer=issuer)
    except ValueError as error:
        raise NotConfigured(str(error)) from error
    return Authenticator.open(path)
