"""Facts about users, what they asked, and the messages to them. Tags 40 to 59, 65, and 70 to 79.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class UserSaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=40):
    user_id: str
    name: str | None
    email: str | None
    webhook_url: str | None


class UserWebhookDisabled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=41):
    user_id: str


class Keyed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=50):
    """An idempotency key and what was answered to it; written again when an outcome arrives later."""

    digest: bytes
    fingerprint: bytes
    reply: bytes


class MailSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=65):
    """Whether notices are owed by e-mail from here on."""

    on: bool


class Delivered(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=70):
    delivery_id: int


class DeliveryFailed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=71):
    """`due_ms`: when it is tried again; 0: it is given up, and a person must look."""

    delivery_id: int
    failure: str
    due_ms: int


class DeliveryRetried(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=72):
    """One that was given up is tried again."""

    delivery_id: int


class DeliveryDropped(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=73):
    """There is nobody to send it to any more."""

    delivery_id: int
