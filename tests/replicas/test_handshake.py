"""The handshake, frame by frame: who gets in, and who does not whatever he has seen or heard."""

import msgspec
import pytest

from onsale.replicas.frames import PROTOCOL, Acked, Challenge, Frame, Introduction, Ping, Proof, Refused, Welcome
from onsale.replicas.framing import encode_introduction
from onsale.replicas.handshake import Handshake, HandshakeFailed
from onsale.tests.replicas.linking import SECRET, introduction

NONCES = iter(number.to_bytes(32, "big") for number in range(10_000))


def side(name: str, *, dialed: bool, secret: bytes = SECRET, **fields: object) -> Handshake:
    own = introduction(name, **fields)
    return Handshake(secret, lambda: own, next(NONCES), dialed=dialed)


def pair(dialer_fields: dict | None = None, acceptor_fields: dict | None = None) -> tuple[Handshake, Handshake]:
    return side("d", dialed=True, **(dialer_fields or {})), side("a", dialed=False, **(acceptor_fields or {}))


def failure(shake: Handshake, frame: Frame) -> HandshakeFailed:
    with pytest.raises(HandshakeFailed) as caught:
        shake.received(frame)
    assert shake.peer is None
    return caught.value


def test_both_know_each_other_afterwards():
    dialer, acceptor = pair()
    assert dialer.begin() is None
    proof = dialer.received(acceptor.begin())
    assert dialer.peer is None
    welcome = acceptor.received(proof)
    assert acceptor.peer == introduction("d")
    assert dialer.received(welcome) is None
    assert dialer.peer == introduction("a")


def test_the_secret_is_never_sent():
    dialer, acceptor = pair()
    challenge = acceptor.begin()
    proof = dialer.received(challenge)
    welcome = acceptor.received(proof)
    assert all(SECRET not in msgspec.msgpack.encode(frame) for frame in (challenge, proof, welcome))


@pytest.mark.parametrize("secret", [b"", b"another", SECRET + b"\0"])
def test_a_dialer_with_another_secret_is_told_so(secret: bytes):
    dialer, acceptor = side("d", dialed=True, secret=secret), side("a", dialed=False)
    failed = failure(acceptor, dialer.received(acceptor.begin()))
    assert failed.tell.reason_code == "wrong_secret"
    assert "ONSALE_CLUSTER_SECRET" in failed.tell.sentence
    told = failure(dialer, failed.tell)
    assert told.refused == failed.tell
    assert failed.tell.sentence in str(told)


def test_an_acceptor_with_another_secret_is_not_believed():
    dialer, acceptor = side("d", dialed=True), side("a", dialed=False)
    dialer.received(acceptor.begin())
    impostor = side("a", dialed=False, secret=b"another")
    impostor._nonces = dialer._nonces
    own = impostor._introduce()
    failed = failure(dialer, Welcome(impostor._mac(b"onsale replication acceptor\n", own), own))
    assert "does not know the cluster secret" in str(failed)
    assert failed.tell is None


def test_an_empty_secret_is_legal():
    dialer, acceptor = side("d", dialed=True, secret=b""), side("a", dialed=False, secret=b"")
    dialer.received(acceptor.received(dialer.received(acceptor.begin())))
    assert dialer.peer
    assert acceptor.peer


@pytest.mark.parametrize("part", ["nonce", "mac", "introduction"])
def test_a_proof_changed_on_its_way_is_worth_nothing(part: str):
    dialer, acceptor = pair()
    proof = dialer.received(acceptor.begin())
    changed = getattr(proof, part)[:-1] + bytes([getattr(proof, part)[-1] ^ 1])
    assert failure(acceptor, msgspec.structs.replace(proof, **{part: changed})).tell.reason_code == "wrong_secret"


@pytest.mark.parametrize("part", ["mac", "introduction"])
def test_a_welcome_changed_on_its_way_is_worth_nothing(part: str):
    dialer, acceptor = pair()
    welcome = acceptor.received(dialer.received(acceptor.begin()))
    changed = getattr(welcome, part)[:-1] + bytes([getattr(welcome, part)[-1] ^ 1])
    failure(dialer, msgspec.structs.replace(welcome, **{part: changed}))


def test_a_proof_heard_once_is_worth_nothing_again():
    dialer, acceptor = pair()
    proof = dialer.received(acceptor.begin())
    acceptor.received(proof)
    again = side("a", dialed=False)
    again.begin()
    assert failure(again, proof).tell.reason_code == "wrong_secret"


def test_a_welcome_heard_once_is_worth_nothing_again():
    dialer, acceptor = pair()
    challenge = acceptor.begin()
    welcome = acceptor.received(dialer.received(challenge))
    again = side("d", dialed=True)
    again.received(challenge)
    failure(again, welcome)


def test_a_challenge_sent_back_proves_nothing():
    """Somebody who does not know the secret has the node itself answer the challenge it has set him."""
    acceptor = side("a", dialed=False)
    challenge = acceptor.begin()
    victim = side("a", dialed=False)  # another connection to the same node: it accepts, and so it only welcomes …
    victim.begin()
    assert failure(victim, challenge).tell is None
    # … and the MAC of its welcome, were there one over these nonces, is of the other role
    knowing = side("a", dialed=False)
    knowing._nonces = acceptor._nonce + bytes(32)
    own = knowing._introduce()
    failed = failure(acceptor, Proof(bytes(32), knowing._mac(b"onsale replication acceptor\n", own), own))
    assert failed.tell.reason_code == "wrong_secret"


def test_a_proof_is_no_welcome():
    """An impostor that is dialed sends the dialer's own proof back to it."""
    dialer = side("d", dialed=True)
    proof = dialer.received(Challenge(PROTOCOL, bytes(32)))
    assert "does not know the cluster secret" in str(failure(dialer, Welcome(proof.mac, proof.introduction)))


def test_a_node_does_not_let_itself_in():
    """An impostor that is dialed passes the proof on to the very node it came from."""
    acceptor, dialer = side("a", dialed=False), side("a", dialed=True)
    failed = failure(acceptor, dialer.received(acceptor.begin()))
    assert failed.tell.reason_code == "same_node"
    assert "copy of its data folder" in failed.tell.sentence


def test_a_peer_of_another_cluster_is_refused():
    dialer, acceptor = pair({"journal_id": b"1" * 16}, {"journal_id": b"2" * 16})
    failed = failure(acceptor, dialer.received(acceptor.begin()))
    assert failed.tell.reason_code == "other_cluster"
    assert "d and a are of different clusters" in failed.tell.sentence


def test_the_dialer_looks_at_the_cluster_too():
    dialer, acceptor = pair({"journal_id": b"1" * 16}, {"journal_id": b"2" * 16})
    acceptor._check = lambda _peer: None
    welcome = acceptor.received(dialer.received(acceptor.begin()))
    assert failure(dialer, welcome).tell.reason_code == "other_cluster"


@pytest.mark.parametrize(("one", "other"), [(b"", b"2" * 16), (b"1" * 16, b""), (b"", b""), (b"1" * 16, b"1" * 16)])
def test_a_node_without_a_journal_fits_every_cluster(one: bytes, other: bytes):
    dialer, acceptor = pair({"journal_id": one}, {"journal_id": other})
    dialer.received(acceptor.received(dialer.received(acceptor.begin())))
    assert dialer.peer
    assert acceptor.peer


def test_two_nodes_of_one_name_are_refused():
    dialer, acceptor = side("a", dialed=True, node_id=b"another"), side("a", dialed=False)
    failed = failure(acceptor, dialer.received(acceptor.begin()))
    assert failed.tell.reason_code == "name_taken"
    assert "another node is called a" in failed.tell.sentence


def test_another_protocol_is_refused_by_either():
    dialer, acceptor = pair({"protocol": PROTOCOL + 1})
    assert failure(dialer, Challenge(PROTOCOL + 1, bytes(32))).tell.reason_code == "other_protocol"
    dialer = side("d", dialed=True, protocol=PROTOCOL + 1)
    assert failure(acceptor, dialer.received(acceptor.begin())).tell.reason_code == "other_protocol"


@pytest.mark.parametrize("frame", [Ping(), Acked(1, 2, 3), Welcome(b"", b""), Challenge(PROTOCOL, bytes(32))])
def test_an_acceptor_takes_a_proof_and_nothing_else(frame: Frame):
    acceptor = side("a", dialed=False)
    acceptor.begin()
    assert type(frame).__name__ in str(failure(acceptor, frame))


@pytest.mark.parametrize("frame", [Ping(), Acked(1, 2, 3), Proof(bytes(32), b"", b""), Welcome(b"", b"")])
def test_a_dialer_takes_a_challenge_and_nothing_else(frame: Frame):
    assert type(frame).__name__ in str(failure(side("d", dialed=True), frame))


def test_a_dialer_takes_one_challenge():
    dialer = side("d", dialed=True)
    dialer.received(Challenge(PROTOCOL, bytes(32)))
    failure(dialer, Challenge(PROTOCOL, bytes(32)))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_nonce_of_another_length_is_refused(length: int):
    """Else bytes could be moved between a nonce and what follows it."""
    failure(side("d", dialed=True), Challenge(PROTOCOL, bytes(length)))
    failure(side("a", dialed=False), Proof(bytes(length), b"", b""))
    with pytest.raises(ValueError, match="32 bytes"):
        Handshake(SECRET, lambda: introduction("a"), bytes(length), dialed=True)


def test_an_introduction_is_read_only_when_it_is_proved():
    dialer, acceptor = pair()
    proof = dialer.received(acceptor.begin())
    garbage = msgspec.structs.replace(proof, introduction=b"\xc1")
    assert failure(acceptor, garbage).tell.reason_code == "wrong_secret"


def test_a_proved_introduction_that_can_not_be_read_is_refused():
    dialer, acceptor = pair()
    dialer._introduce = lambda: b"\xc1"
    assert "introduction that can't be read" in str(failure(acceptor, dialer.received(acceptor.begin())))


def test_a_refusal_in_place_of_the_challenge_is_passed_on():
    refused = Refused("overloaded", "256 nodes are connected already")
    assert failure(side("d", dialed=True), refused).refused == refused


def test_an_introduction_says_what_it_says():
    own: Introduction = introduction("a", journal_id=b"j" * 16, http="http://a:8080")
    dialer, acceptor = side("d", dialed=True), Handshake(SECRET, lambda: own, next(NONCES), dialed=False)
    welcome = acceptor.received(dialer.received(acceptor.begin()))
    assert welcome.introduction == encode_introduction(own)
    dialer.received(welcome)
    assert dialer.peer == own
