"""From what a node is started with to the lease it asks for.

Owns the password's place, the environment, and what is refused before the node starts.
"""

import os
import ssl
from collections.abc import Mapping

from ..access import NotConfigured
from ..options import EtcdOptions
from .client import EtcdClient, tls_of
from .etcd import EtcdLease

LOGIN_VARIABLE = "ONSALE_ETCD_LOGIN"
MEMBER_PART = 1 / 6  # of the lease's time may go by until the next member is asked
MEMBER_SECONDS_MAX = 1.0


def make_lease(options: EtcdOptions | None, environment: Mapping[str, str] = os.environ) -> EtcdLease | None:
    """To be called on the loop. Raises NotConfigured."""
    if options is None:
        return None
    try:
        tls = tls_of(options.authority, options.certificate, options.key)
    except (OSError, ssl.SSLError) as error:
        raise NotConfigured(
            f"TLS to etcd can't be set up: {error}. Look at --etcd-authority and the others."
        ) from error
    client = EtcdClient(
        options.members,
        tls=tls,
        login=_login(environment),
        member_seconds=min(MEMBER_SECONDS_MAX, options.lease_seconds * MEMBER_PART),
    )
    return EtcdLease(client, options.prefix, options.lease_seconds)


def _login(environment: Mapping[str, str]) -> tuple[str, str] | None:
    text = environment.get(LOGIN_VARIABLE, "")
    if not text:
        return None
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise NotConfigured(f"{LOGIN_VARIABLE} is NAME:PASSWORD, and has no colon or no name.")
    return name, password
