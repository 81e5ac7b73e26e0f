"""Links between two nodes over the simulated network, and what strangers can do to them: nothing."""

import struct
from itertools import pairwise

import pytest

from onsale.replicas.frames import (
    Acked,
    AskStatus,
    BatchSent,
    Challenge,
    Committed,
    Frame,
    Ping,
    Proof,
    Refused,
    SnapshotPart,
    Welcome,
)
from onsale.replicas.framing import UNPROVED_FRAME_BYTES_MAX, encode
from onsale.replicas.link import COPIED_BYTES_MAX, HANDSHAKE_SECONDS_MAX, PING_SECONDS, SILENT_SECONDS
from onsale.replicas.ports import UNSENT_BYTES_HIGH
from onsale.tests.replicas.linking import PORT, Node, Stranger, World, connected, introduction

SECOND_MS = 1000


def stranger_at(node_name: str = "far") -> tuple[World, Node, Stranger]:
    world = World()
    node = Node(world, node_name)
    return world, node, Stranger(world).dial(node_name)


# --- among nodes


def test_a_link_is_open_when_both_have_proved_themselves():
    _, near, far, out, back = connected()
    assert out.is_open
    assert back.is_open
    assert out.peer == far.introduction
    assert back.peer == near.introduction
    assert not near.reasons + far.reasons


def test_frames_go_both_ways_in_order():
    world, near, far, out, back = connected()
    there = [Committed(1, seq, 5) for seq in range(50)]
    here = [Acked(1, seq, seq) for seq in range(50)]
    for one, other in zip(there, here, strict=True):
        out.send(one)
        back.send(other)
    world.run(50)
    assert far.frames == there
    assert near.frames == here


@pytest.mark.parametrize("size", [0, 1, COPIED_BYTES_MAX, COPIED_BYTES_MAX + 1, 5_000_000])
def test_raw_bytes_of_any_size_arrive(size: int):
    world, _, far, out, _ = connected()
    frames = [BatchSent(bytes(size)), SnapshotPart(b"x" * size), Acked(1, 2, 3)]
    for frame in frames:
        out.send(frame)
    world.run(50)
    assert far.frames == frames


def test_what_is_sent_with_the_last_word_of_the_handshake_may_be_large():
    """The accepting side may say more at once; it arrives together with its Welcome."""
    world = World()
    near, far = Node(world, "near"), Node(world, "far")
    batch = BatchSent(bytes(UNPROVED_FRAME_BYTES_MAX * 3))
    world.network.listen(
        "far", PORT, far.scheduler, lambda: far.link(dialed=False, on_open=lambda link: link.send(batch))
    )
    near.dial("far")
    world.run(20)
    assert near.frames == [batch]


def test_nothing_is_sent_before_it_is_open():
    world = World()
    near, far = Node(world, "near"), Node(world, "far")
    link = near.dial("far")
    link.send(Acked(1, 2, 3))
    assert link.unsent_bytes == 0
    world.run(20)
    assert link.is_open
    assert not far.frames


def test_a_frame_too_large_is_the_senders_mistake_and_harms_nothing():
    world, _, far, out, _ = connected()
    with pytest.raises(ValueError, match="does not fit"):
        out.send(BatchSent(bytes(17 * 1024 * 1024)))
    out.send(Acked(1, 2, 3))
    world.run(20)
    assert far.frames == [Acked(1, 2, 3)]


def test_a_full_link_says_when_it_has_room():
    world, near, _, out, _ = connected()
    out.send(BatchSent(bytes(UNSENT_BYTES_HIGH + 1)))
    assert out.unsent_bytes > UNSENT_BYTES_HIGH
    world.run(20)
    assert near.drains == 1
    assert out.unsent_bytes == 0


def test_a_closed_link_says_so_once_and_nothing_else():
    world, near, far, out, back = connected()
    out.send(Acked(1, 2, 3))
    out.close("it was enough")
    assert not near.reasons, "no callback comes from inside close"
    assert out.is_closed
    assert not out.is_open
    out.close("again")
    out.send(Acked(4, 5, 6))
    back.send(Acked(7, 8, 9))
    world.run(5 * SECOND_MS)
    assert near.reasons == ["it was enough"]
    assert far.reasons == ["the other side closed the connection"]
    assert far.frames == [Acked(1, 2, 3)]
    assert not near.frames


def test_a_link_closed_while_it_takes_frames_takes_no_more():
    world, far, stranger = stranger_at()
    far.on_frame = lambda link, frame: (far.frames.append(frame), link.close("one was enough"))
    stranger.prove()
    stranger.say_bytes(b"".join(encode(Committed(1, number, 5), number) for number in range(2, 6)))
    world.run(50)
    assert far.frames == [Committed(1, 2, 5)]
    assert far.reasons == ["one was enough"]


def test_a_link_closed_before_it_was_connected_leaves_nothing_open():
    world = World()
    near, far = Node(world, "near"), Node(world, "far")
    near.dial("far").close("changed its mind")
    world.run(5 * SECOND_MS)
    assert near.reasons == ["changed its mind"]
    assert len(far.reasons) == 1
    assert not far.links


def test_a_dial_that_reaches_nobody_is_closed_with_the_reason():
    world = World()
    near = Node(world, "near")
    near.dial("nowhere")
    world.run(5 * SECOND_MS)
    assert len(near.reasons) == 1
    assert f"nowhere:{PORT}" in near.reasons[0]


# --- silence


def test_an_idle_link_stays_open():
    world, near, far, out, back = connected()
    world.run(60 * SECOND_MS)
    assert out.is_open
    assert back.is_open
    assert not near.frames + far.frames, "pings are the links' own"


def test_pings_are_sent_only_where_nothing_else_is():
    world, _, far, out, _ = connected()
    sent: list[tuple[float, bytes]] = []
    wire_send = out.wire.send
    out.wire.send = lambda data: (sent.append((world.time.now_us / 1e6, data)), wire_send(data))
    for _ in range(20):
        out.send(Acked(1, 2, 3))
        world.run(PING_SECONDS * SECOND_MS * 0.9)
    assert {data[8] for _, data in sent} == {17}
    world.run(10 * SECOND_MS)
    pings = [at for at, data in sent if data[8] == 5]
    assert 18 <= len(pings) <= 21
    assert all(later - earlier <= PING_SECONDS + 0.01 for earlier, later in pairwise(pings))
    assert len(far.frames) == 20


def test_silence_is_noticed_at_both_ends():
    world, near, far, _, _ = connected()
    world.network.block("near", "far")
    world.network.block("far", "near")
    world.run((SILENT_SECONDS - 0.6) * SECOND_MS)
    assert not near.reasons + far.reasons
    world.run(1.2 * SECOND_MS)
    assert len(near.reasons) == len(far.reasons) == 1
    assert "nothing came for 2.0 s" in near.reasons[0]


def test_one_way_silence_is_noticed_where_it_is():
    world, near, far, out, back = connected()
    world.network.block("far", "near")
    world.run((SILENT_SECONDS + 0.6) * SECOND_MS)
    assert out.is_closed
    world.run(SECOND_MS)
    assert back.is_closed
    assert "nothing came" in near.reasons[0]
    assert far.reasons == ["the other side closed the connection"]


def test_a_node_that_stood_still_reads_before_it_judges():
    """Its own clock went on: what the others sent meanwhile is there, and must be read first."""
    world, near, far, out, back = connected()
    out_watch = out._heard_at
    near.scheduler.pause()
    world.run((SILENT_SECONDS - 0.3) * SECOND_MS)
    near.scheduler.resume()
    world.network.resumed("near")
    world.run(20)
    assert out._heard_at > out_watch
    assert out.is_open
    assert back.is_open
    near.scheduler.pause()
    world.run(30 * SECOND_MS)
    assert back.is_closed, "the others do not wait for it"
    near.scheduler.resume()
    world.network.resumed("near")
    world.run(SECOND_MS)
    assert out.is_closed
    assert len(near.reasons) == 1
    assert len(far.reasons) == 1


def test_a_link_that_stood_still_notices_silence_a_little_later():
    world, near, _, out, _ = connected()
    world.network.power_off("far")
    near.scheduler.pause()
    world.run(10 * SECOND_MS)
    near.scheduler.resume()
    world.run(100)
    assert out.is_open, "what has come meanwhile may not be read yet"
    world.run(SECOND_MS)
    assert out.is_closed
    assert "nothing came" in near.reasons[0]


# --- who is refused


def test_another_secret_is_refused_with_a_line_on_both_sides(caplog: pytest.LogCaptureFixture):
    world = World()
    near, far = Node(world, "near", secret=b"another"), Node(world, "far")
    link = near.dial("far")
    world.run(SECOND_MS)
    assert not near.links + far.links
    assert link.refused.reason_code == "wrong_secret"
    assert "it refuses this node: it has another cluster secret" in near.reasons[0]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all("ONSALE_CLUSTER_SECRET must be the same on all nodes" in line for line in lines)
    assert any(f"far:{PORT}" in line for line in lines)


def test_another_cluster_is_refused_with_a_line_on_both_sides(caplog: pytest.LogCaptureFixture):
    world = World()
    near, far = Node(world, "near", journal_id=b"1" * 16), Node(world, "far", journal_id=b"2" * 16)
    link = near.dial("far")
    world.run(SECOND_MS)
    assert not near.links + far.links
    assert link.refused.reason_code == "other_cluster"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert all("near and far are of different clusters" in record.getMessage() for record in caplog.records)


def bad_frame(number: int = 1, kind: int = 17, body: bytes = b"\x93\x01\x02\x03", length: int | None = None) -> bytes:
    return struct.pack("<IIB", 5 + len(body) if length is None else length, number, kind) + body


UNPROVED = {
    "garbage": (b"\xff\x00garbage" * 20, "a frame of"),
    "HTTP": (b"GET /metrics HTTP/1.1\r\nHost: far\r\n\r\n", "it speaks HTTP"),
    "TLS": (bytes.fromhex("1603010200010001fc0303") + bytes(50), "it speaks TLS"),
    "a frame of 4 GiB": (bad_frame(length=2**32 - 1), "a frame of 4294967295 bytes, and 4096 are the most"),
    "more than a handshake needs": (encode(BatchSent(bytes(UNPROVED_FRAME_BYTES_MAX)), 1), "and 4096 are the most"),
    "a frame before its proof": (encode(AskStatus(1), 1), "AskStatus came before it had proved"),
    "a challenge back": (encode(Challenge(1, b"n" * 32), 1), "Challenge came before it had proved"),
    "a welcome": (encode(Welcome(b"m" * 32, b""), 1), "Welcome came before it had proved"),
    "a proof that proves nothing": (encode(Proof(b"n" * 32, b"m" * 32, b""), 1), "another cluster secret"),
    "a proof out of number": (encode(Proof(b"n" * 32, b"m" * 32, b""), 2), "frame 1 should come next"),
    "a wrong body": (bad_frame(kind=2, body=b"\xc1"), "Proof that can't be read"),
    "an unknown type": (bad_frame(kind=99), "type 99"),
}


@pytest.mark.parametrize("what", UNPROVED)
def test_a_stranger_is_refused_with_a_line_and_harms_nothing(what: str, caplog: pytest.LogCaptureFixture):
    data, sentence = UNPROVED[what]
    world, _, far, out, back = connected()
    stranger = Stranger(world).dial("far")
    stranger.say_bytes(data)
    world.run(20)
    assert len(stranger.reasons) == 1
    assert [type(frame) for frame in stranger.frames] in ([Challenge], [Challenge, Refused])
    assert len(far.links) == 1
    assert len(far.reasons) == 1
    [line] = [record.getMessage() for record in caplog.records]
    assert sentence in line
    assert stranger.name in line
    out.send(Acked(1, 2, 3))
    world.run(20)
    assert far.frames == [Acked(1, 2, 3)]
    assert back.is_open


def test_the_same_bytes_drop_by_drop_are_refused_too():
    world, far, stranger = stranger_at()
    for byte in UNPROVED["garbage"][0]:
        stranger.say_bytes(bytes([byte]))
    world.run(20)
    assert "a frame of" in far.reasons[0]


PROVED: dict[str, tuple[bytes, str]] = {
    "a frame again": (encode(Acked(1, 2, 3), 2) * 2, "frame 3 should come next, and here is frame 2"),
    "a frame too far": (encode(Acked(1, 2, 3), 3), "frame 2 should come next, and here is frame 3"),
    "frames in another order": (encode(Ping(), 3) + encode(Acked(1, 2, 3), 2), "frame 2 should come next"),
    "an unknown type": (bad_frame(2, 99), "type 99"),
    "a wrong body": (bad_frame(2, 17, b"\x93\x01\x02\xa1x"), "Acked that can't be read"),
    "a frame of 4 GiB": (bad_frame(2, length=2**32 - 1), "a frame of 4294967295 bytes"),
    "a second handshake": (encode(Proof(b"n" * 32, b"m" * 32, b""), 2), "when the handshake was over"),
}


@pytest.mark.parametrize("what", PROVED)
def test_a_peer_that_goes_wrong_is_closed_with_a_line(what: str, caplog: pytest.LogCaptureFixture):
    data, sentence = PROVED[what]
    world, far, stranger = stranger_at()
    stranger.prove()
    assert far.links[0].is_open
    stranger.say_bytes(data)
    world.run(20)
    assert len(stranger.reasons) == 1
    assert far.links[0].is_closed
    assert sentence in far.reasons[0]
    [line] = [record.getMessage() for record in caplog.records]
    assert sentence in line
    assert "(stranger)" in line


def test_frames_before_the_wrong_one_are_taken():
    world, far, stranger = stranger_at()
    stranger.prove()
    stranger.say_bytes(encode(Acked(1, 2, 3), 2) + encode(Acked(4, 5, 6), 2))
    world.run(20)
    assert far.frames == [Acked(1, 2, 3)]


def test_who_says_nothing_is_let_go(caplog: pytest.LogCaptureFixture):
    world, far, stranger = stranger_at()
    world.run(HANDSHAKE_SECONDS_MAX * SECOND_MS - 100)
    assert not far.reasons
    world.run(200)
    assert "did not prove within 2 s" in far.reasons[0]
    assert len(stranger.reasons) == 1
    assert len(caplog.records) == 1


def test_who_says_it_drop_by_drop_is_let_go():
    world, far, stranger = stranger_at()
    said = encode(Proof(b"n" * 32, b"m" * 32, b"x" * 200), 1)
    for byte in said:
        if far.reasons:
            break
        stranger.say_bytes(bytes([byte]))
        world.run(100)
    assert "did not prove within 2 s" in far.reasons[0]


def test_a_dialed_stranger_is_given_nothing(caplog: pytest.LogCaptureFixture):
    world = World()
    near = Node(world, "near")
    stranger = Stranger(world, first=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    stranger.listen()
    near.dial("stranger")
    world.run(20)
    assert not stranger.frames
    assert "it answers in HTTP: this is not the replication port" in near.reasons[0]
    assert f"stranger:{PORT}" in caplog.records[0].getMessage()


def test_a_dialed_stranger_that_says_nothing_is_let_go():
    world = World()
    near = Node(world, "near")
    stranger = Stranger(world)
    stranger.listen()
    near.dial("stranger")
    world.run((HANDSHAKE_SECONDS_MAX + 0.1) * SECOND_MS)
    assert "it said nothing for 2 s" in near.reasons[0]


def test_a_dialed_stranger_that_proves_nothing_is_let_go():
    world = World()
    near = Node(world, "near")
    stranger = Stranger(world, first=encode(Challenge(1, b"n" * 32), 1))
    stranger.listen()
    near.dial("stranger")
    world.run((HANDSHAKE_SECONDS_MAX + 0.1) * SECOND_MS)
    assert "did not prove" in near.reasons[0]


def test_a_dialed_stranger_that_welcomes_without_the_secret_is_not_believed():
    world = World()
    near = Node(world, "near")
    stranger = Stranger(world, first=encode(Challenge(1, b"n" * 32), 1) + encode(Welcome(b"m" * 32, b"x"), 2))
    stranger.listen()
    near.dial("stranger")
    world.run(20)
    assert not near.links
    assert "who answers there does not know the cluster secret" in near.reasons[0]


def test_what_was_heard_of_one_handshake_opens_no_other():
    """An eavesdropper says again all that an honest node said."""
    world, far, honest = stranger_at()
    said: list[bytes] = []
    wire_send = honest.wire.send
    honest.wire.send = lambda data: (said.append(data), wire_send(data))
    honest.prove()
    assert far.links[0].is_open
    again = Stranger(world, "eavesdropper").dial("far")
    again.say_bytes(b"".join(said))
    world.run(20)
    assert len(far.links) == 1
    assert "another cluster secret" in far.reasons[0]


def test_a_nodes_own_proof_does_not_open_it():
    """A stranger that a node dials passes all bytes on to that very node, and its answers back."""
    world = World()
    near = Node(world, "near")

    class Mirror(Stranger):
        def received(self, data: bytes) -> None:
            self.mate.wire.send(data)

    one, other = Mirror(world, "mirror"), Mirror(world, "mirror")
    one.mate, other.mate = other, one
    one.listen()
    near.dial("mirror")
    world.run(5)
    other.dial("near")
    world.run(50)
    assert not near.links
    assert len(near.reasons) == 2
    assert all("this very node" in reason for reason in near.reasons)


def test_a_peer_that_closes_before_its_proof_leaves_the_reason():
    _, far, stranger = stranger_at()
    stranger.wire.close()
    stranger.world.run(20)
    assert "ended before the other side had proved that it belongs here" in far.reasons[0]


def test_a_refusal_after_the_handshake_is_a_frame_like_others():
    world, near, _, _, back = connected()
    refused: Frame = Refused("not_leading", "Follow near.", 4, "near")
    back.send(refused)
    back.close("refused")
    world.run(20)
    assert near.frames == [refused]
    assert near.reasons == ["the other side closed the connection"]


def test_who_a_node_says_it_is_may_change_between_its_links():
    world, near, far, _, _ = connected()
    near.introduction = introduction("near", journal_id=b"j" * 16)
    near.dial("far")
    world.run(20)
    assert far.links[1].peer.journal_id == b"j" * 16
