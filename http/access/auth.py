"""Who is calling, and what that allows (CONTRACT §4).

Owns `Principal`, and `Authenticator`, which turns the Authorization header of a call into one. Promises never to
ignore a credential: whoever sends a token is judged by it, and a token that cannot be proven is refused, even where
none is asked for. Whether a principal may do what it asks for is for the routes to say.

A token is verified once and then remembered until it expires, so a call costs a look-up. Never waits: keys that come
over the network are fetched in the background (jwks.py).
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

import jwt
import msgspec
from aiohttp import hdrs

from ...engine.codes import Code
from ...engine.limits import USER_ID_CHARACTERS_MAX
from ..call import Answer, Call
from ..problems import problem
from .jwks import Jwks
from .keys import HS256, KeyFile, KeyNotFoundError, Keys, SharedKey

TokenRole = Literal["user", "service", "organiser", "operator"]
Role = TokenRole | Literal["anonymous"]
TOKEN_ROLES: Final[tuple[TokenRole, ...]] = get_args(TokenRole)

LEEWAY_SECONDS: Final = 30  # clocks differ: a token made a moment ago may seem to begin later
VERIFIED_MAX: Final = 20_000  # tokens remembered; about 1 KiB each
TOKEN_CHARACTERS_MAX: Final = 8_192
_TIME_SECONDS_MAX: Final = 253_402_300_799  # the end of the year 9999

logger = logging.getLogger(__name__)


class Principal(NamedTuple):
    """Somebody, as far as their token proves it. `sub` is the user id of a user, else a name of their own."""

    sub: str
    role: Role

    def may_act_for(self, user_id: str) -> bool:
        """Book, pay, give up and read on behalf of this user."""
        return self.role in ("service", "operator") or (self.role == "user" and self.sub == user_id)

    @property
    def is_organiser(self) -> bool:
        """May create, change and cancel events."""
        return self.role in ("organiser", "operator")

    @property
    def is_operator(self) -> bool:
        return self.role == "operator"

    @property
    def may_refund(self) -> bool:
        """May give back the money of anybody's booking."""
        return self.role in ("service", "organiser", "operator")

    @property
    def caller(self) -> str:
        """Scopes idempotency keys: equal for equal principals alone."""
        return f"{self.role}:{self.sub}"


ANONYMOUS: Final = Principal("", "anonymous")
LOCAL_OPERATOR: Final = Principal("local", "operator")


class _Claims(msgspec.Struct):
    """What a token must say; whatever else it says is left alone."""

    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=USER_ID_CHARACTERS_MAX)]
    role: TokenRole
    exp: Annotated[float, msgspec.Meta(ge=0, le=_TIME_SECONDS_MAX)]  # seconds since 1970
    nbf: float = 0


class Authenticator:
    """Knows callers by their tokens. Made by `open`, `with_key` or `with_jwks`; `start` it before the first call."""

    def __init__(
        self,
        keys: Keys,
        without_token: Principal,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._without_token = without_token
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._verified: OrderedDict[str, tuple[Principal, float]] = OrderedDict()  # by header, until when (seconds)
        keys.on_change = self._verified.clear

    @classmethod
    def open(cls, key_file: Path | None = None) -> "Authenticator":
        """No auth is configured: without a token everyone is the operator of this machine.

        A token is held against `key_file`, should that exist by then; without one every token is refused.
        """
        return cls(KeyFile(key_file), LOCAL_OPERATOR)

    @classmethod
    def with_key(cls, key: bytes, *, audience: str | None = None, issuer: str | None = None) -> "Authenticator":
        """Tokens signed with this shared key (HS256). Raises ValueError for a key that is too weak."""
        return cls(SharedKey(key), ANONYMOUS, audience=audience, issuer=issuer)

    @classmethod
    def with_jwks(cls, url: str, *, audience: str | None = None, issuer: str | None = None) -> "Authenticator":
        """Tokens of an identity provider (RS256, ES256, EdDSA), whose keys stand at this http(s) URL."""
        if audience is None:
            logger.warning(
                "Any token signed by a key of %s is accepted, whomever it was made for; configure an audience.", url
            )
        return cls(Jwks(url), ANONYMOUS, audience=audience, issuer=issuer)

    @property
    def is_open(self) -> bool:
        """Whether callers without a token may do everything: such a node must serve loopback alone."""
        return self._without_token is LOCAL_OPERATOR

    async def start(self) -> None:
        """Loads the keys that come over the network. Never fails: while there are none, tokens are refused."""
        await self._keys.start()

    async def close(self) -> None:
        await self._keys.close()

    def authenticate(self, call: Call) -> Principal | Answer:
        """Who is calling, or the 401 to answer with."""
        header = call.headers.get(hdrs.AUTHORIZATION)
        if header is None:
            origin = call.headers.get(hdrs.ORIGIN)
            if origin is not None and self.is_open and not _is_local(origin):
                return problem(Code.FORBIDDEN, _FOREIGN_ORIGIN)
            return self._without_token
        known = self._verified.get(header)
        if known is not None and self._clock() < known[1]:
            self._verified.move_to_end(header)
            return known[0]
        return self._verify(header)

    def _verify(self, header: str) -> Principal | Answer:
        self._verified.pop(header, None)
        token = header[len("Bearer ") :]
        if header[: len("Bearer ")].lower() != "bearer " or not token:
            return _refused("Send the header as 'Authorization: Bearer <token>'.")
        if len(token) > TOKEN_CHARACTERS_MAX:
            return _refused(f"The token is longer than {TOKEN_CHARACTERS_MAX} characters.")
        try:
            claims = msgspec.convert(self._decode(token), _Claims)
            claims.sub.encode()  # a lone surrogate is no text
        except (KeyNotFoundError, msgspec.ValidationError, jwt.PyJWTError, ValueError, RecursionError) as fault:
            return _refused(_why(fault))
        now = self._clock()
        if not now < claims.exp:
            return _refused("The token has expired; get a new one.")
        if now < claims.nbf - LEEWAY_SECONDS:
            return _refused("The token is not valid yet.")
        principal = Principal(claims.sub, claims.role)
        self._remember(header, principal, claims.exp)
        return principal

    def _decode(self, token: str) -> Any:
        """The claims of a token whose signature, audience and issuer are right. Its times are ours to check."""
        key = self._keys.key_for(token)
        required = ["aud"] * (self._audience is not None) + ["iss"] * (self._issuer is not None)
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],  # of the key, never of the token
            audience=self._audience,
            issuer=self._issuer,
            options={
                "require": required,
                "verify_aud": self._audience is not None,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )

    def _remember(self, header: str, principal: Principal, until: float) -> None:
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.popitem(last=False)
        self._verified[header] = (principal, until)


def issue_token(
    key: bytes,
    role: str,
    sub: str,
    lifetime_seconds: int,
    *,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """A token signed with the shared key, from now on for `lifetime_seconds`.

    Raises ValueError for a weak key, an unknown role, an empty or overlong `sub`, a lifetime that is not above zero.
    """
    now = int(time.time())
    if role not in TOKEN_ROLES:
        raise ValueError(f"There is no role {role!r}; choose one of {', '.join(TOKEN_ROLES)}.")
    if not 1 <= len(sub) <= USER_ID_CHARACTERS_MAX:
        raise ValueError(f"The token's sub must have 1 to {USER_ID_CHARACTERS_MAX} characters, it has {len(sub)}.")
    if not 0 < lifetime_seconds <= _TIME_SECONDS_MAX - now:
        raise ValueError(f"The token's lifetime must be above zero seconds, it is {lifetime_seconds}.")
    claims: dict[str, Any] = {"sub": sub, "role": role, "iat": now, "exp": now + lifetime_seconds}
    if audience is not None:
        claims["aud"] = audience
    if issuer is not None:
        claims["iss"] = issuer
    return jwt.encode(claims, SharedKey(key).key, HS256)


_FOREIGN_ORIGIN = (
    "A page of another site cannot act here while no authentication is configured. If this is your page, turn it on "
    "(`onsale token`), and let the page send a token."
)


def _is_local(origin: str) -> bool:
    """Whether a page comes from this machine. Any page a person visits could otherwise act as an operator of a node
    that asks nobody who they are: browsers send a plain POST anywhere, and say where the page is from.
    """
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host in _LOCAL_NAMES or (host.startswith("127.") and host.replace(".", "").isdigit())


_LOCAL_NAMES = frozenset({"localhost", "::1"})


def _why(fault: Exception) -> str:
    match fault:
        case KeyNotFoundError():
            return str(fault)
        case jwt.InvalidSignatureError():
            return "The token's signature is not right: it was signed with another key, or changed since."
        case jwt.InvalidAlgorithmError():
            return "The token is not signed with the algorithm of its key."
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError() | jwt.MissingRequiredClaimError():
            return f"The token was not made for this service: {fault}."
        case msgspec.ValidationError():
            return f"The token's claims are not right: {fault}."
        case _:
            return "This is not a token: it must be a signed JWT."


def _refused(detail: str) -> Answer:
    answer = problem(Code.UNAUTHENTICATED, detail)
    others = tuple(header for header in answer.headers if header[0] != hdrs.WWW_AUTHENTICATE)
    return answer.with_headers((*others, (hdrs.WWW_AUTHENTICATE, 'Bearer realm="onsale", error="invalid_token"')))
