"""An identity provider's public keys, kept fresh off the hot path.

Owns when the key set is fetched: at the start, every quarter of an hour, and soon after a token names a key that is
not known, but never more often than every 30 s, whatever callers send. While it cannot be fetched the keys known
before stay valid; while none are known every token is refused. The algorithm follows from the key, never from the
token, and a shared secret in a public key set is no key.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec

from .keys import KeyNotFoundError, VerifyingKey, ignore

REFRESH_SECONDS: Final = 900.0
SPACING_SECONDS: Final = 30.0
FETCH_SECONDS_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 1 << 20
KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2_048
_ALGORITHMS: Final[dict[tuple[Any, Any], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

logger = logging.getLogger(__name__)


class Jwks:
    """The keys at a URL, by their id. Raises ValueError for a URL that is not http or https."""

    def __init__(
        self, url: str, *, refresh_seconds: float = REFRESH_SECONDS, spacing_seconds: float = SPACING_SECONDS
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"The JWKS URL must be https://…, it is {url!r}.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            logger.warning("The JWKS URL %s is not https: whoever sits in between can make tokens.", url)
        self.on_change = ignore
        self.url = url
        self._refresh_seconds = refresh_seconds
        self._spacing_seconds = spacing_seconds
        self._keys: dict[str | None, VerifyingKey] = {}
        self._set: list[Any] = []  # as it was fetched last
        self._fetched_at = 0.0  # by the loop's clock, failures included
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name="jwks")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def key_for(self, token: str) -> VerifyingKey:
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._keys.get(kid)
        if key is None and kid is None and len(self._keys) == 1:
            (key,) = self._keys.values()
        if key is not None:
            return key
        self._wanted.set()
        if not self._keys:
            raise KeyNotFoundError("The keys to check tokens with could not be fetched yet; try again in a minute.")
        raise KeyNotFoundError("The token was signed with a key that is not known; if the key is new, try again soon.")

    async def _keep_fresh(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            patience = self._refresh_seconds if self._keys else self._spacing_seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), patience)
            await asyncio.sleep(max(0.0, self._fetched_at + self._spacing_seconds - loop.time()))
            self._wanted.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        self._fetched_at = asyncio.get_running_loop().time()
        try:
            found = await self._fetch()
            keys = _usable(found)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError) as error:
            still = f"{len(self._keys)} keys known before stay valid" if self._keys else "tokens are refused meanwhile"
            logger.error("The keys at %s could not be fetched, %s: %s", self.url, still, error or type(error).__name__)  # noqa: TRY400
            return
        if found != self._set:
            self._set, self._keys = found, keys
            self.on_change()
            logger.info("%d keys for tokens fetched from %s", len(keys), self.url)

    async def _fetch(self) -> list[Any]:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS_MAX)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self.url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise ValueError(f"it answered {response.status} where 200 was expected")
            body = b""
            async for chunk in response.content.iter_chunked(65_536):
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ValueError(f"it answered more than {ANSWER_BYTES_MAX} bytes")
        document = msgspec.json.decode(body)
        match document:
            case {"keys": [*keys]}:
                return keys
        raise ValueError('it answered no key set, which is {"keys": […]}')


def _usable(found: list[Any]) -> dict[str | None, VerifyingKey]:
    """The keys that tokens may be signed with, by id. Raises ValueError when there is none."""
    usable: dict[str | None, VerifyingKey] = {}
    for entry in found[:KEYS_MAX]:
        try:
            kid = entry.get("kid")
            usable[kid] = _key_of(entry, taken=kid in usable)
        except Exception as error:  # noqa: BLE001 - whatever somebody else's key set holds
            logger.warning("A key of the key set is left out: %s", error)
    if not usable:
        raise ValueError("it holds no key for RS256, ES256 or EdDSA")
    return usable


def _key_of(entry: dict[str, Any], *, taken: bool) -> VerifyingKey:
    kind, curve, kid = entry.get("kty"), entry.get("crv"), entry.get("kid")
    if taken:
        raise ValueError(f"another key has the id {kid!r} too")
    algorithm = _ALGORITHMS.get((kind, None if kind == "RSA" else curve))
    if algorithm is None:
        raise ValueError(f"{kid!r} is of type {kind!r} {curve or ''}, not RSA, EC P-256 or OKP Ed25519")
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        raise ValueError(f"{kid!r} is not for signatures")
    if entry.get("alg", algorithm) != algorithm:
        raise ValueError(f"{kid!r} is for {entry['alg']}, not {algorithm}")
    if "d" in entry:
        logger.error("The key set publishes the private part of key %r: replace that key at once.", kid)
        raise ValueError(f"{kid!r} is a private key")
    key = jwt.PyJWK(entry, algorithm).key
    if kind == "RSA" and key.key_size < RSA_BITS_MIN:
        raise ValueError(f"{kid!r} has {key.key_size} bits, at least {RSA_BITS_MIN} are needed")
    return VerifyingKey(key, algorithm)
