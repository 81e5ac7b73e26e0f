"""TLS between nodes, from certificate files.

Owns the two contexts of a node. With an authority every node must show a certificate of it, whichever side dialed: the
authority is the cluster's own, so whoever holds one belongs to it, and names in certificates are not compared, as nodes
move between addresses. Without one the connection is encrypted, but nobody's certificate is checked.
"""

import ssl
from pathlib import Path


class BadCertificate(ValueError):
    """The files can't be used; the message says which, why, and what to do."""


def tls_contexts(certificate: Path, key: Path, authority: Path | None) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the accepting and for the dialing side. PEM files; `certificate` may hold intermediates behind its own.

    Raises BadCertificate.
    """
    for path, content in ((certificate, "certificate"), (key, "private key"), (authority, "authority's certificate")):
        if path is not None:
            _check_readable(path, content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_NONE if authority is None else ssl.CERT_REQUIRED
        _load_pair(context, certificate, key)
        if authority is not None:
            _load_authority(context, authority)
    server.num_tickets = 0  # connections last; none is resumed
    return server, client


def _check_readable(path: Path, content: str) -> None:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadCertificate(f"The {content} {path} can't be read: {error.strerror}.") from error
    if b"-----BEGIN " not in text:
        raise BadCertificate(f"{path} should hold the {content} in PEM format, and there is none in it.")


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    encrypted = False

    def passphrase() -> str:
        nonlocal encrypted
        encrypted = True
        return "-"

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        if encrypted:
            raise BadCertificate(f"The private key {key} has a passphrase: give one that has none.") from error
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate(f"The private key {key} is not that of the certificate {certificate}.") from error
        raise BadCertificate(
            f"{certificate} and {key} are no certificate and private key in PEM format: {error.reason or error}."
        ) from error


def _load_authority(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise BadCertificate(
            f"{authority} holds no authority's certificate in PEM format: {error.reason or error}."
        ) from error
