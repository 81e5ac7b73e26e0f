"""How a call to a webhook is signed, as Standard Webhooks has it (symmetric, v1).

Owns the three headers. The signature covers the message's id, the time of this attempt and the body.
"""

import base64
import binascii
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def signed_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """`secret`: whsec_ and base64. Raises ValueError for another one, without showing it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or not secret.startswith(_PREFIX):
        raise ValueError("a webhook's secret must be whsec_ and base64")
    signed = f"{message_id}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{signature}"}
