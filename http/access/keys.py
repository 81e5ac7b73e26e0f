"""The keys that tokens are verified with, as far as they are on this machine.

Owns `Keys`, the port behind which keys are found, its two local kinds, and the key file in the data folder. A shared
key is used as the bytes it stands in: the text of `ONSALE_JWT_KEY`, or of the file, without the white space around it.
Never takes a key so short that it could be guessed.
"""

import base64
import contextlib
import logging
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import jwt
from jwt.algorithms import HMACAlgorithm

HS256: Final = "HS256"
KEY_BYTES_MIN: Final = 32  # as long as the hash (RFC 7518 §3.2)
KEY_FILE_BYTES_MAX: Final = 4_096

logger = logging.getLogger(__name__)


class KeyNotFoundError(Exception):
    """There is no key for this token; the message is for its sender."""


class VerifyingKey(NamedTuple):
    key: Any  # as PyJWT takes it
    algorithm: str  # the one algorithm that this key is for


class Keys(Protocol):
    """Where a token's key is found. Calls `on_change` when a key it gave may be valid no more."""

    on_change: Callable[[], None]

    def key_for(self, token: str) -> VerifyingKey:
        """At once. Raises KeyNotFoundError, or jwt.PyJWTError for what is no token."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class SharedKey:
    """One key that both signs and verifies. Raises ValueError if it is too short, or not made for that."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(
                f"The JWT key has {len(key)} bytes; HS256 needs at least {KEY_BYTES_MIN}. "
                "Make one with: openssl rand -base64 32"
            )
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)
        except jwt.InvalidKeyError as error:
            raise ValueError(
                "The JWT key is half of a public key pair, which cannot be used as a shared secret. "
                "Publish the public keys as a JWKS and set ONSALE_JWKS_URL."
            ) from error
        self.key = key
        self.on_change = ignore
        self._verifying = VerifyingKey(key, HS256)

    def key_for(self, token: str) -> VerifyingKey:  # noqa: ARG002 - one key for all
        return self._verifying

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class KeyFile:
    """A key file that need not exist yet, may change and may go; looked at for every token not seen before."""

    def __init__(self, path: Path | None) -> None:
        self.on_change = ignore
        self._path = path
        self._seen: tuple[int, ...] | None = None  # what the file looked like when it was read
        self._key: SharedKey | None = None

    def key_for(self, token: str) -> VerifyingKey:
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._key = self._read()
            self.on_change()
        if self._key is None:
            raise KeyNotFoundError(
                "This node has no key to check a token with; leave the Authorization header out, "
                "or make a token with: onsale token"
            )
        return self._key.key_for(token)

    def _look(self) -> tuple[int, ...] | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _read(self) -> SharedKey | None:
        if self._path is None or self._seen is None:
            return None
        try:
            return SharedKey(read_key(self._path))
        except (OSError, ValueError) as error:
            logger.error("The JWT key file cannot be used, tokens are refused: %s", error)  # noqa: TRY400
            return None

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def read_key(path: Path) -> bytes:
    """The key in a file, without the white space around it.

    Warns when others can read it. Raises OSError, or ValueError when it is no key.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        text = file.read(KEY_FILE_BYTES_MAX + 1)
    if len(text) > KEY_FILE_BYTES_MAX:
        raise ValueError(f"{path} has more than {KEY_FILE_BYTES_MAX} bytes; a JWT key is a line of text.")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning("Others can read or change the JWT key file %s; run: chmod 600 %s", path, path)
    key = text.strip()
    try:
        SharedKey(key)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return key


def read_or_create_key(path: Path) -> tuple[bytes, bool]:
    """The key in this file, and whether it was made just now: 32 random bytes as base64, readable by the owner alone.

    Two processes that create it at once get the same key. Raises OSError, or ValueError for a file that is no key.
    """
    created = False
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES_MIN)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)  # unlike a rename, it never takes the place of another's key
                created = True
        finally:
            temporary.unlink(missing_ok=True)
    return read_key(path), created


def ignore() -> None:
    """What `on_change` does until somebody wants to know."""
