"""What calls to webhooks are signed with.

Owns how a secret follows from the cluster's key: it is made when it is asked for rather than stored, it is always the
same, and every node makes the same one.
"""

import base64
import hmac


def webhook_secret(cluster_key: bytes, owner: str) -> str:
    """As Standard Webhooks writes it; `owner` is user:ID or event:ID. "" while the cluster has no key."""
    if not cluster_key:
        return ""
    digest = hmac.digest(cluster_key, b"webhook\0" + owner.encode(), "sha256")
    return f"whsec_{base64.b64encode(digest).decode()}"
