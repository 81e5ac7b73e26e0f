"""The frames: their numbers, and that each comes back as it went."""

import msgspec
import pytest

from onsale.journal.batch import SEQ_MAX, EpochStart
from onsale.replicas import frames as f
from onsale.replicas.framing import FRAME_BYTES_MAX, BadFrame, FrameReader, encode

STATUS = f.NodeStatus(
    "a",
    b"id",
    True,
    "standby",
    b"j" * 16,
    3,
    4,
    "b",
    100,
    b"h" * 16,
    99,
    98,
    "b",
    4,
    1,
    [f.Voter("a", "10.0.0.7:7400")],
)
REPORT = f.MemberReport("a", True, "standby", "streaming", 3, 100, 99, 98, 12, "10.0.0.7:7400", "http://a", 250)

# The numbers are what nodes of different versions know each other's frames by: they never change.
EXAMPLES = {
    1: f.Challenge(1, b"n" * 32),
    2: f.Proof(b"n" * 32, b"m" * 32, b"introduction"),
    3: f.Welcome(b"m" * 32, b"introduction"),
    4: f.Refused("not_leading", "Follow b.", 4, "b"),
    5: f.Ping(),
    10: f.Follow(SEQ_MAX, b"h" * 16, 3, [EpochStart(1, 1, b"h" * 16), EpochStart(3, 50, b"i" * 16)], 4, True, False),
    11: f.Accepted(4, "b", b"j" * 16, 90, b"h" * 16, 99),
    12: f.SnapshotBegins(10**12, 80),
    13: f.SnapshotPart(bytes(range(256)) * 300),
    14: f.SnapshotEnds(b"d" * 32),
    15: f.BatchSent(b"\xf5OSB\r\n" + bytes(1000)),
    16: f.Committed(4, 99, 1_800_000_000_000),
    17: f.Acked(4, 100, 99),
    18: f.CheckpointTaken(80),
    19: f.StateHashed(90, "0123456789abcdef"),
    20: f.Reports([REPORT, REPORT]),
    30: f.AskStatus(7),
    31: f.Status(7, STATUS),
    32: f.AskPromise(8, 5, "a", "10.0.0.7:7400"),
    33: f.Promise(8, False, "Promised to b already.", STATUS),
    34: f.AskLead(9, 5, False, True),
    35: f.Outcome(9, True, ["a leads.", "Nothing is lost."], 5),
    36: f.Announce(5, "a", "10.0.0.7:7400", "http://a:8080"),
}


def test_every_frame_has_its_number_for_ever():
    assert {number: type(example) for number, example in EXAMPLES.items()} == f.TYPES


@pytest.mark.parametrize("number", EXAMPLES)
def test_a_frame_comes_back_as_it_went(number: int):
    data = encode(EXAMPLES[number], 1)
    assert data[8] == number
    assert list(FrameReader(FRAME_BYTES_MAX).feed(data)) == [EXAMPLES[number]]


def test_raw_frames_are_not_wrapped():
    assert encode(f.BatchSent(b"batch"), 1)[9:] == b"batch"
    assert encode(f.SnapshotPart(b"part"), 1)[9:] == b"part"


def test_text_for_a_refusal_may_be_left_out():
    assert f.Refused("code", "Why.") == f.Refused("code", "Why.", 0, "")


@pytest.mark.parametrize(
    "wrong",
    [
        [-1, 1, 1],
        [1, 2**63, 1],
        [1, "two", 3],
        [1, 2],
        {"epoch": 1, "received_seq": 1, "applied_seq": 1},
        None,
    ],
)
def test_a_wrong_body_is_refused(wrong: object):
    right = encode(f.Acked(1, 2, 3), 1)
    body = msgspec.msgpack.encode(wrong)
    data = (5 + len(body)).to_bytes(4, "little") + right[4:9] + body
    with pytest.raises(BadFrame, match="Acked that can't be read"):
        list(FrameReader(FRAME_BYTES_MAX).feed(data))


def test_what_a_later_version_adds_at_the_end_is_passed_over():
    right = encode(f.Acked(1, 2, 3), 1)
    body = msgspec.msgpack.encode([1, 2, 3, "new"])
    data = (5 + len(body)).to_bytes(4, "little") + right[4:9] + body
    assert list(FrameReader(FRAME_BYTES_MAX).feed(data)) == [f.Acked(1, 2, 3)]
