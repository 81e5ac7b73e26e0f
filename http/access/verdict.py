"""Somebody else's verdict on whether a person asks: Turnstile, hCaptcha, and whatever speaks their language.

Owns the question. The page has the service's widget, whose token comes in a call's `challenge`; the service is sent
that token, with a secret of ours, and answers {success, error-codes}. A bounded number of questions at once, each with
a time limit. When the service cannot be asked, nobody is let in on trust: the call is to be tried again.
"""

from typing import Final

import aiohttp
import msgspec

from ..gateway import UnavailableError

ANSWER_SECONDS_MAX: Final = 3.0
AT_ONCE_MAX: Final = 200
TOKEN_CHARACTERS_MAX: Final = 8_192
_ANSWER_BYTES_MAX: Final = 16_384
_REASONS_SHOWN_MAX: Final = 5


class RejectedTokenError(Exception):
    """The service does not vouch for whoever sent this. The text says why, to a person."""


class _Verdict(msgspec.Struct):
    success: bool
    error_codes: list[str] = msgspec.field(default_factory=list, name="error-codes")


_decode = msgspec.json.Decoder(_Verdict).decode


class Verdicts:
    """Used from one event loop. `close` it."""

    def __init__(
        self, url: str, secret: str, *, at_once_max: int = AT_ONCE_MAX, seconds_max: float = ANSWER_SECONDS_MAX
    ) -> None:
        self._url = url
        self._secret = secret
        self._at_once_max = at_once_max
        self._timeout = aiohttp.ClientTimeout(total=seconds_max)
        self._session: aiohttp.ClientSession | None = None
        self.under_way = 0

    async def ask(self, token: str, address: str) -> None:
        """Returns when the service vouches for whoever sent the token. `address`: theirs, "" where it is not known.

        Raises RejectedTokenError, UnavailableError.
        """
        if not 1 <= len(token) <= TOKEN_CHARACTERS_MAX:
            raise RejectedTokenError(f"A token has 1 to {TOKEN_CHARACTERS_MAX} characters.")
        if self.under_way >= self._at_once_max:
            raise UnavailableError("Too many are being checked at this moment; try again in a few seconds.")
        self.under_way += 1
        try:
            verdict = await self._ask(token, address)
        finally:
            self.under_way -= 1
        if not verdict.success:
            codes = ", ".join(code[:50] for code in verdict.error_codes[:_REASONS_SHOWN_MAX])
            raise RejectedTokenError(f"The check was not passed{f' ({codes})' if codes else ''}.")

    async def _ask(self, token: str, address: str) -> _Verdict:
        form = {"secret": self._secret, "response": token} | ({"remoteip": address} if address else {})
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(self._url, data=form, allow_redirects=False) as response:
                body = await response.content.read(_ANSWER_BYTES_MAX)
                # a rejection may come as a 4xx, with its reasons
                return _decode(body)
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            raise UnavailableError(
                "Whether a person asks could not be checked just now; try again in a few seconds."
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
