"""How two nodes prove to each other that they know the cluster's secret, before anything else is said.

    accepting side → Challenge(protocol, its nonce)
    dialing side   → Proof(its nonce, HMAC-SHA256 over "dialer", both nonces and its introduction, the introduction)
    accepting side → Welcome(HMAC-SHA256 over "acceptor", both nonces and its introduction, the introduction)

Owns one such conversation, as frames, of either side. Promises that `peer` is set only when the other side has proved
itself over nonces of this very conversation, and belongs here: a proof seen elsewhere, or this node's own sent back to
it, is worth nothing. Nothing of an introduction is looked at before it is proved. The secret itself is never sent.

It proves who opened the connection and does not protect what goes over it later: against those who can change bytes
between the nodes there is TLS. An empty secret is legal and proves nothing: for nodes on one machine.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from .frames import PROTOCOL, Challenge, Frame, Introduction, Proof, Refused, Welcome
from .framing import BadFrame, decode_introduction, encode_introduction

NONCE_BYTES: Final = 32
_DIALER: Final = b"onsale replication dialer\n"
_ACCEPTOR: Final = b"onsale replication acceptor\n"


class HandshakeFailed(Exception):
    """The connection ends here; the message says why. `tell` is to be sent before, `refused` is what was sent to us."""

    def __init__(self, sentence: str, *, tell: Refused | None = None, refused: Refused | None = None) -> None:
        super().__init__(sentence)
        self.tell = tell
        self.refused = refused


class Handshake:
    def __init__(self, secret: bytes, introduction: Callable[[], Introduction], nonce: bytes, *, dialed: bool) -> None:
        """`introduction`: who this node is, asked for once, when it is due. `nonce`: NONCE_BYTES never used before."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
        self.peer: Introduction | None = None
        self._key = sha256(secret).digest()  # HMAC itself takes a key and the same with zeros behind it for one
        self._introduction = introduction
        self._nonce = nonce
        self._dialed = dialed
        self._nonces = b""  # once both are known: the acceptor's, then the dialer's
        self._own: Introduction | None = None

    def begin(self) -> Frame | None:
        """What this side says first."""
        return None if self._dialed else Challenge(PROTOCOL, self._nonce)

    def received(self, frame: Frame) -> Frame | None:
        """Take what the other side says; what to answer, if anything. Over once `peer` is set, or HandshakeFailed."""
        match frame:
            case Refused():
                raise HandshakeFailed(f"it refuses this node: {frame.sentence}", refused=frame)
            case Challenge() if self._dialed and not self._nonces:
                return self._prove(frame)
            case Proof() if not self._dialed:
                return self._welcome(frame)
            case Welcome() if self._dialed and self._nonces:
                self._arrive(frame)
                return None
            case _:
                raise HandshakeFailed(f"a {type(frame).__name__} came before it had proved that it belongs here")

    def _prove(self, challenge: Challenge) -> Proof:
        _check_protocol(challenge.protocol)
        self._nonces = _nonce_of(challenge.nonce) + self._nonce
        own = self._introduce()
        return Proof(self._nonce, self._mac(_DIALER, own), own)

    def _welcome(self, proof: Proof) -> Welcome:
        self._nonces = self._nonce + _nonce_of(proof.nonce)
        if not hmac.compare_digest(proof.mac, self._mac(_DIALER, proof.introduction)):
            raise _refusal(
                "wrong_secret", "it has another cluster secret: ONSALE_CLUSTER_SECRET must be the same on all nodes"
            )
        peer = _read(proof.introduction)
        own = self._introduce()
        self._check(peer)
        self.peer = peer
        return Welcome(self._mac(_ACCEPTOR, own), own)

    def _arrive(self, welcome: Welcome) -> None:
        if not hmac.compare_digest(welcome.mac, self._mac(_ACCEPTOR, welcome.introduction)):
            raise HandshakeFailed("who answers there does not know the cluster secret")
        peer = _read(welcome.introduction)
        self._check(peer)
        self.peer = peer

    def _introduce(self) -> bytes:
        self._own = self._introduction()
        return encode_introduction(self._own)

    def _mac(self, role: bytes, introduction: bytes) -> bytes:
        return hmac.digest(self._key, role + self._nonces + introduction, "sha256")

    def _check(self, peer: Introduction) -> None:
        """Whether a node that knows the secret belongs here."""
        own = self._own
        assert own is not None
        _check_protocol(peer.protocol)
        if own.journal_id and peer.journal_id and own.journal_id != peer.journal_id:
            raise _refusal(
                "other_cluster",
                f"the journals of {peer.name} and {own.name} are of different clusters: "
                "one of the two has the wrong address or the wrong data folder",
            )
        if peer.node_id == own.node_id:
            raise _refusal(
                "same_node",
                f"{peer.name} is this very node, or one on a copy of its data folder: "
                "check the address, and start further nodes on folders of their own",
            )
        if peer.name == own.name:
            raise _refusal("name_taken", f"another node is called {own.name}: give one of the two another --name")


def _nonce_of(nonce: bytes) -> bytes:
    """Their lengths are fixed, so that what a proof covers can be read in one way only."""
    if len(nonce) != NONCE_BYTES:
        raise HandshakeFailed(f"a nonce of {len(nonce)} bytes")
    return nonce


def _check_protocol(protocol: int) -> None:
    if protocol != PROTOCOL:
        raise _refusal(
            "other_protocol",
            f"one node speaks replication protocol {PROTOCOL}, the other {protocol}: run the same version on both",
        )


def _read(introduction: bytes) -> Introduction:
    try:
        return decode_introduction(introduction)
    except BadFrame as bad:
        raise HandshakeFailed(str(bad)) from bad


def _refusal(reason_code: str, sentence: str) -> HandshakeFailed:
    return HandshakeFailed(sentence, tell=Refused(reason_code, sentence))
