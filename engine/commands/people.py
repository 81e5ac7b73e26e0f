"""Wishes about users, and what became of messages to them.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class SaveUser(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    name: str | None = None
    email: str | None = None
    webhook_url: str | None = None


class SettleDelivery(msgspec.Struct, gc=False, frozen=True):
    """`failure` None: it was sent. Else it was not: `retry_ms` says when to try again, 0 that it is given up."""

    delivery_id: int
    failure: str | None = None
    retry_ms: int = 0


class DropDelivery(msgspec.Struct, gc=False, frozen=True):
    """There is nobody to send it to any more."""

    delivery_id: int


class RetryDelivery(msgspec.Struct, gc=False, frozen=True):
    """Send one that was given up, after all."""

    delivery_id: int


class DisableWebhook(msgspec.Struct, gc=False, frozen=True):
    """Whoever is there said that it is gone (410). One of the two is set; `url` is what was called."""

    url: str
    user_id: str | None = None
    event_id: int = 0


class SetMail(msgspec.Struct, gc=False, frozen=True):
    """Whether e-mail is sent, as this node is configured."""

    on: bool
