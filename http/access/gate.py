"""What is looked at before a call may reach the command loop: how often its user and its address ask, whether it
brings the proof that its event asks for, and what speaks for a program.

Owns the order of these looks and the refusals: rate_limited, and challenge_required with the `reason` (missing,
invalid, other_event, expired, used, rejected). Costs a call that nothing is wrong with a microsecond or two. Decides
nothing for good: that a challenge counts once is the engine's to say, which misses nothing. What is remembered here is
this node's own, and is gone with it.

Services, organisers and operators act for many, so they are not counted; where no authentication is configured
everybody is.
"""

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from multidict import CIMultiDict, istr

from ...engine.codes import Code
from ...engine.commands import Evidence, Proof
from ...engine.records import Event
from ...engine.rules.bots import CHALLENGE_REASONS
from ...engine.sale import Sale
from ...engine.status import (
    CHALLENGE_NAMES,
    CHALLENGE_NONE,
    CHALLENGE_OUTSIDE,
    PLACE_ENDED,
    SIGNAL_LIMITED_BEFORE,
    SIGNAL_NO_BROWSER,
    SIGNAL_SOLVED_TOO_FAST,
    SIGNAL_USED_CHALLENGE,
)
from ..call import Answer, Call
from ..gateway import Gateway, UnavailableError
from ..idempotency import KEY_HEADER, key_of
from ..problems import RefusedError, problem
from .addresses import LOOPBACK, Address, Addresses, Network, parse_networks
from .auth import LOCAL_OPERATOR, Authenticator, Principal
from .buckets import Buckets, Limit, whole_seconds
from .challenges import DIGEST_BYTES, LIFETIME_MS, NUMBER_MAX_DEFAULT, Challenges, InvalidSolutionError
from .evidence import Witness, evidence_of
from .verdict import RejectedTokenError, Verdicts

FORWARDED_ADDRESS: Final = istr("Onsale-Forwarded-For")  # between nodes of one cluster
_USER_AGENT: Final = istr("User-Agent")
_BROWSERS: Final = "Mozilla/"  # what every browser's name begins with
_PURPOSE: Final = b"onsale forwarded"  # of the key: it signs nothing else
_MAC_BYTES: Final = 16
_UNCOUNTED: Final = frozenset({"service", "organiser", "operator"})
_NO_EVIDENCE: Final = (None, None)

Checked = tuple[Proof | None, Evidence | None]


@dataclass(frozen=True)
class GateSettings:
    """Limits are calls a second; None: no limit. `exempt`: networks whose addresses are not counted, such as a venue's
    own desk. `proxies`: whose X-Forwarded-For is believed. `verdict_url`: "" when nobody else's verdict is asked for.
    """

    per_user: Limit | None = None
    per_address: Limit | None = None
    exempt: tuple[Network, ...] = parse_networks(",".join(LOOPBACK))
    proxies: tuple[Network, ...] = ()
    challenge_number_max: int = NUMBER_MAX_DEFAULT
    verdict_url: str = ""
    verdict_secret: str = ""

    def __repr__(self) -> str:
        return "GateSettings(…)"


class Gate:
    """Used from one event loop. `close` it."""

    def __init__(
        self,
        settings: GateSettings,
        gateway: Callable[[], Gateway],
        authenticator: Authenticator,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`gateway` gives the one that answers now."""
        self.refusals: dict[str, int] = {}  # counts, by what was refused
        self._gateway = gateway
        self._authenticator = authenticator
        self._clock_ns = clock_ns
        self._per_user = None if settings.per_user is None else Buckets(settings.per_user)
        self._per_address = None if settings.per_address is None else Buckets(settings.per_address)
        self._addresses = Addresses(settings.exempt, settings.proxies)
        self._challenges = Challenges(lambda: gateway().state.ticket_key, settings.challenge_number_max)
        self._verdicts = Verdicts(settings.verdict_url, settings.verdict_secret) if settings.verdict_url else None
        self._witness = Witness()

    @property
    def takes_verdicts(self) -> bool:
        """Whether events may ask for somebody else's verdict."""
        return self._verdicts is not None

    @property
    def challenge_number_max(self) -> int:
        """How long the search for a solution is at most, by now."""
        return self._challenges.number_max(self._clock_ns())

    async def close(self) -> None:
        if self._verdicts is not None:
            await self._verdicts.close()

    # --- every call

    @property
    def limits_addresses(self) -> bool:
        """Whether `limited` has anything to say."""
        return self._per_address is not None

    def limited(self, call: Call) -> Answer | None:
        """The 429 for an address that asks too often. To be asked once per call, before anything else."""
        if self._per_address is None:
            return None
        address = self._address(call)
        if address.exempt:
            return None
        now_ns = self._clock_ns()
        wait_ns = self._per_address.take(address.key, now_ns)
        if not wait_ns or self._is_uncounted(call):
            return None
        self._witness.saw(SIGNAL_LIMITED_BEFORE, "", address.key, now_ns)
        return self._too_often("address", "This address asks too often.", wait_ns)

    def passed_on(self, call: Call) -> Call:
        """The call as it is to be forwarded to the primary, which then knows whose it is."""
        headers = CIMultiDict(call.headers)
        headers.popall(FORWARDED_ADDRESS, None)
        text = self._address(call).text
        if text and (mac := self._mac(text)):
            headers[FORWARDED_ADDRESS] = f"{text} {mac}"
        return Call(call.method, call.path, call.query, headers, call.body, call.remote)

    # --- bookings, and joining a waiting room

    def check(
        self,
        call: Call,
        principal: Principal,
        event_id: int,
        user_id: str,
        challenge: str | None,
        *,
        joining: bool = False,
    ) -> Checked | Awaitable[Checked]:
        """What is to be decided with the call: the proof that its event asks for, and what speaks for a program.

        `principal` may act for `user_id`. An Awaitable comes for an event that asks for somebody else's verdict.
        Raises RefusedError: rate_limited, challenge_required, overloaded.
        """
        now_ns = self._clock_ns()
        self._challenges.pace.add(now_ns)
        signals = 0
        if principal.role == "user" or principal is LOCAL_OPERATOR:
            if self._per_user is not None and (wait_ns := self._per_user.take(user_id, now_ns)):
                self._witness.saw(SIGNAL_LIMITED_BEFORE, user_id, "", now_ns)
                raise RefusedError(self._too_often("user", "This user asks too often.", wait_ns))
            address = self._address(call)
            if self._witness.has_seen or not address.exempt:
                signals = self._witness.signals(user_id, "" if address.exempt else address.key, now_ns)
        sale = self._gateway().state.sales.get(event_id)
        if sale is None or sale.event.challenge == CHALLENGE_NONE or not self._asks(sale, user_id, joining=joining):
            return (None, _evidence(call, signals)) if signals else _NO_EVIDENCE
        event = sale.event
        if challenge is None:
            if self._is_known(call, principal):
                return _NO_EVIDENCE
            raise self._required(event, "missing")
        if event.challenge == CHALLENGE_OUTSIDE:
            return self._ask(call, principal, event, user_id, challenge, signals)
        return self._solved(call, principal, event, user_id, challenge, signals)

    def saw(self, call: Call, user_id: str, signal: int) -> None:
        """Something that speaks against a user, and the address they call from. `signal`: one of status.py's."""
        address = self._address(call)
        self._witness.saw(signal, user_id, "" if address.exempt else address.key, self._clock_ns())

    # --- challenges

    def new_challenge(self, event_id: int) -> bytes:
        """JSON. `event_id` 0: for any event. Raises RefusedError: overloaded."""
        gateway = self._gateway()
        # a node that follows knows the time of the last fact alone
        now_ms = gateway.now_ms() if gateway.leads else max(gateway.now_ms(), time.time_ns() // 1_000_000)
        try:
            return self._challenges.make(now_ms, self._clock_ns(), event_id)
        except LookupError:
            raise self._not_now("This node has no key yet; ask again in a moment.") from None

    def _asks(self, sale: Sale, user_id: str, *, joining: bool) -> bool:
        """Whether what comes next is to be proven; what will be refused anyway is not worth anybody's work."""
        event = sale.event
        if event.cancelled or event.closed:
            return False
        if joining:
            place = None if sale.queue is None else sale.queue.by_user.get(user_id)
            return sale.queue is not None and (place is None or place.status in PLACE_ENDED)
        if sale.queue is not None:  # a place there is what it takes
            return False
        return event.on_sale_ms is None or self._gateway().now_ms() >= event.on_sale_ms

    def _solved(self, call: Call, principal: Principal, event: Event, user_id: str, text: str, signals: int) -> Checked:
        gateway = self._gateway()
        now_ms = gateway.now_ms()
        try:
            solution = self._challenges.read(text, now_ms)
        except InvalidSolutionError as fault:
            raise self._required(event, "invalid", f"{fault} GET /challenge gives one.") from None
        except LookupError:
            raise self._not_now("This node has no key yet; try again in a moment.") from None
        if solution.event_id not in (0, event.id):
            raise self._required(event, "other_event", f"This challenge was for event {solution.event_id}.")
        proof = Proof(solution.digest, solution.expires_ms)
        self._refuse_a_stale_one(call, principal, event, user_id, proof, now_ms)
        if solution.too_fast:
            signals |= SIGNAL_SOLVED_TOO_FAST
        return proof, _evidence(call, signals)

    async def _ask(
        self, call: Call, principal: Principal, event: Event, user_id: str, token: str, signals: int
    ) -> Checked:
        if self._verdicts is None:
            raise self._not_now("This node has nobody to ask for the verdict that this event needs.")
        now_ms = self._gateway().now_ms()
        digest = blake2b(token.encode("utf-8", "surrogateescape"), digest_size=DIGEST_BYTES).digest()
        proof = Proof(digest, now_ms + LIFETIME_MS)
        self._refuse_a_stale_one(call, principal, event, user_id, proof, now_ms)
        if self._gateway().state.challenges.rows.get(digest) is None:  # else it is a retry, for the engine to answer
            try:
                await self._verdicts.ask(token, self._address(call).text)
            except RejectedTokenError as fault:
                raise self._required(event, "rejected", str(fault)) from None
            except UnavailableError as fault:
                raise self._not_now(str(fault)) from None
        return proof, _evidence(call, signals)

    def _refuse_a_stale_one(
        self, call: Call, principal: Principal, event: Event, user_id: str, proof: Proof, now_ms: int
    ) -> None:
        """As the engine would, unless it may know the answer to this very request."""
        if proof.digest in self._gateway().state.challenges.rows:
            reason = "used"
        elif proof.expires_ms <= now_ms:
            reason = "expired"
        else:
            return
        if self._is_known(call, principal):
            return
        if reason == "used":
            self.saw(call, user_id, SIGNAL_USED_CHALLENGE)
        raise self._required(event, reason)

    # --- what the looks share

    def _address(self, call: Call) -> Address:
        address: Address | None = call.address
        if address is not None:
            return address
        headers = call.headers
        if FORWARDED_ADDRESS in headers:
            text, _, mac = headers[FORWARDED_ADDRESS].partition(" ")
            if mac.isascii() and mac and hmac.compare_digest(mac, self._mac(text)):
                return self._addresses.look_up(text)
        address = call.address = self._addresses.of(call.remote, headers)
        return address

    def _mac(self, address: str) -> str:
        """What shows that a node of this cluster says so; "" while there is no key."""
        key = self._gateway().state.ticket_key
        if not key:
            return ""
        text = address.encode("utf-8", "surrogateescape")
        return blake2b(text, key=key, digest_size=_MAC_BYTES, person=_PURPOSE).hexdigest()

    def _is_uncounted(self, call: Call) -> bool:
        principal = self._authenticator.authenticate(call)
        return principal is not LOCAL_OPERATOR and isinstance(principal, Principal) and principal.role in _UNCOUNTED

    def _is_known(self, call: Call, principal: Principal) -> bool:
        """Whether the engine has answered this request before: it is to say the same again."""
        if KEY_HEADER not in call.headers:
            return False
        key = key_of(call, principal)
        return key is not None and key.digest in self._gateway().state.keys.rows

    # --- refusals

    def _too_often(self, whose: str, detail: str, wait_ns: int) -> Answer:
        seconds = whole_seconds(wait_ns)
        detail = f"{detail} Try again in {seconds} s."
        return self._problem(f"limit_per_{whose}", Code.RATE_LIMITED, detail, retryAfterSeconds=seconds, limit=whose)

    def _required(self, event: Event, reason: str, detail: str = "") -> RefusedError:
        kind = CHALLENGE_NAMES[event.challenge]
        detail = detail or CHALLENGE_REASONS[reason]
        answer = self._problem(f"challenge_{reason}", Code.CHALLENGE_REQUIRED, detail, challenge=kind, reason=reason)
        return RefusedError(answer)

    def _not_now(self, detail: str) -> RefusedError:
        return RefusedError(self._problem("not_now", Code.OVERLOADED, detail, retryAfterSeconds=5))

    def _problem(self, counted: str, code: Code, detail: str, **extra: Any) -> Answer:
        self.refusals[counted] = self.refusals.get(counted, 0) + 1
        return problem(code, detail, seq=self._gateway().durable_seq, extra=extra)


def _evidence(call: Call, signals: int) -> Evidence | None:
    """What a program calls itself is told where something else speaks against it already."""
    if not signals:
        return None
    if not call.headers.get(_USER_AGENT, "").startswith(_BROWSERS):
        signals |= SIGNAL_NO_BROWSER
    return evidence_of(signals)
