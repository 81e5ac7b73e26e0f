"""The bodies of operators' orders about the cluster.

Owns which fields they take, and what a member may be called in a path. Checks type and range; what is safe is said
behind the gateway.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ...engine.limits import SYNC_STANDBYS_MAX
from .body import BodyDecoder, Switch, check_text, invalid_field

MEMBER_NAME_CHARACTERS_MAX: Final = 128

MemberName = Annotated[str, Meta(min_length=1, max_length=MEMBER_NAME_CHARACTERS_MAX, description="a member's name")]
SyncStandbys = Annotated[
    int, Meta(ge=0, le=SYNC_STANDBYS_MAX, description=f"a whole number from 0 to {SYNC_STANDBYS_MAX}")
]


class FailoverBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    to: MemberName | None = None
    accept_data_loss: Switch = False
    sync_standbys: SyncStandbys | None = None
    dry_run: Switch = False


class SwitchoverBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    to: MemberName | None = None
    dry_run: Switch = False


class SyncStandbysBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    sync_standbys: SyncStandbys
    accept_data_loss: Switch = False


_failover: Final = BodyDecoder(FailoverBody, may_be_empty=True)
_switchover: Final = BodyDecoder(SwitchoverBody, may_be_empty=True)
_sync_standbys: Final = BodyDecoder(SyncStandbysBody)


def failover_body(body: bytes) -> FailoverBody:
    asked = _failover.decode(body)
    check_text(asked.to or "", "to")
    return asked


def switchover_body(body: bytes) -> SwitchoverBody:
    asked = _switchover.decode(body)
    check_text(asked.to or "", "to")
    return asked


def sync_standbys_body(body: bytes) -> SyncStandbysBody:
    return _sync_standbys.decode(body)


def member_name(segment: str) -> str:
    """A member's name in a path. Raises RefusedError."""
    if not 1 <= len(segment) <= MEMBER_NAME_CHARACTERS_MAX:
        raise invalid_field("name", f"in the path must have 1 to {MEMBER_NAME_CHARACTERS_MAX} characters")
    return check_text(segment, "name")
