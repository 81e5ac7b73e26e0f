"""A fact is written once and read for ever: its bytes are fixed here, so that a change of format is noticed."""

import msgspec
import pytest

from onsale.engine import facts as f

DETAILS = f.EventDetails(
    "Night", 1_800_000_000_000, None, "Hall", "Rome", "IT", "music", "Loud", "EUR", 1_700_000_000_000, 10, None, 1,
    "https://example.org/hook", 1, 600_000,
)  # fmt: skip
TYPES = (f.TypeDetails(3, "Seat", 4990, 100),)
KEY, PRINT = b"k" * 16, b"f" * 16

# Never change a line: there are journals that hold it. A new field goes to the end of its fact, and gets a new line.
WRITTEN = [
    (
        f.EventCreated(2, DETAILS, TYPES),
        (
            "91940102dc0010a54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a3"
            "455552cf0000018bcfe568000ac001b868747470733a2f2f6578616d706c652e6f72672f686f6f6b01ce000927c09194"
            "03a453656174cd137e64"
        ),
    ),
    (
        f.EventChanged(2, DETAILS, TYPES),
        (
            "91940202dc0010a54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a3"
            "455552cf0000018bcfe568000ac001b868747470733a2f2f6578616d706c652e6f72672f686f6f6b01ce000927c09194"
            "03a453656174cd137e64"
        ),
    ),
    (f.EventCancelled(2), "91920302"),
    (f.SaleClosed(2), "91920402"),
    (f.Held(7, "ann", 2, 3, 2, 9980, 1700000300000, (4, 5)), "91990a07a3616e6e020302cd26fccf0000018bcfe9fbe0920405"),
    (f.Waited(7, "ann", 2, 3, 2, 9980, (4,)), "91980b07a3616e6e020302cd26fc9104"),
    (f.Promoted(7, 1700000300000, 4, 5000, (9,)), "91960c07cf0000018bcfe9fbe004cd13889109"),
    (f.LapseWarned(7), "91920d07"),
    (f.Lapsed(7), "91920e07"),
    (f.BookingCancelled(7, "given_up"), "91930f07a8676976656e5f7570"),
    (f.Retired((7, 8)), "919210920708"),
    (
        f.PaymentStarted(5, 7, 9980, "card", 1700000900000, KEY, PRINT),
        (
            "9198140507cd26fca463617264cf0000018bcff323a0c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6bc410666666666666"
            "66666666666666666666"
        ),
    ),
    (f.PaymentPending(5, True, "secret", "pi_1"), "91951505c3a6736563726574a470695f31"),
    (f.PaymentSucceeded(5, "pi_1", False, (4, 5)), "91951605a470695f31c2920405"),
    (f.PaymentFailed(5, "card_declined", "No."), "91941705ad636172645f6465636c696e6564a34e6f2e"),
    (f.PaymentAbandoned(5, "superseded"), "91931805aa73757065727365646564"),
    (
        f.RefundStarted(6, 7, 9980, True, "surplus", KEY, PRINT, 5, "pi_1"),
        (
            "919a1e0607cd26fcc3a7737572706c7573c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6bc4106666666666666666666666"
            "666666666605a470695f31"
        ),
    ),
    (f.RefundSucceeded(6, "re_1"), "91931f06a472655f31"),
    (f.RefundFailed(6, "closed"), "91932006a6636c6f736564"),
    (
        f.UserSaved("ann", "Ann", "ann@example.org", "https://example.org/hook"),
        ("919528a3616e6ea3416e6eaf616e6e406578616d706c652e6f7267b868747470733a2f2f6578616d706c652e6f72672f686f6f6b"),
    ),
    (
        f.Keyed(KEY, PRINT, b"reply"),
        "919432c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6bc41066666666666666666666666666666666c4057265706c79",
    ),
    (f.EpochBegun(3, "n2", 1), "91943c03a26e3201"),
    (
        f.MemberSaved("n2", b"id", True, "10.0.0.2:7000", "http://10.0.0.2:8080"),
        "91963da26e32c4026964c3ad31302e302e302e323a37303030b4687474703a2f2f31302e302e302e323a38303830",
    ),
    (f.MemberRemoved("n2"), "91923ea26e32"),
    (f.SyncStandbysSet(1), "91923f01"),
    (f.TicketKeySaved(KEY), "919240c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"),
    (f.ChangeTold(2, (7, 8), 9), "9194050292070809"),
    (f.EventWebhookDisabled(2), "91920602"),
    (f.CheckedIn(7, 1, "Gate A", "door-1"), "9195110701a6476174652041a6646f6f722d31"),
    (f.PaymentPrepared(5, "pi_1", "secret"), "91941905a470695f31a6736563726574"),
    (f.PaymentDeclined(5, "card_declined", "No."), "91941a05ad636172645f6465636c696e6564a34e6f2e"),
    (f.PaymentAnswered(5), "91921b05"),
    (f.RefundPending(6, "re_1"), "91932106a472655f31"),
    (f.RefundAnswered(6), "91922206"),
    (f.RefundRetried(6), "91922306"),
    (f.ProviderEventTaken("evt_1"), "919224a56576745f31"),
    (
        f.ConcernRaised("dispute", "dp_1", "Why.", 7, 5, 6, 9980, "EUR"),
        "919925a764697370757465a464705f31a45768792e070506cd26fca3455552",
    ),
    (f.ConcernClosed("dispute:dp_1"), "919226ac646973707574653a64705f31"),
    (f.UserWebhookDisabled("ann"), "919229a3616e6e"),
    (f.MailSet(True), "919241c3"),
    (f.Delivered(41), "91924629"),
    (f.DeliveryFailed(41, "550", 1700000900000), "91944729a3353530cf0000018bcff323a0"),
    (f.DeliveryRetried(41), "91924829"),
    (f.DeliveryDropped(41), "91924929"),
    (
        f.RoomSet(2, 600, 50, 1700000000000, True, True, 600000, KEY),
        "91995002cd025832cf0000018bcfe56800c3c3ce000927c0c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b",
    ),
    (f.RoomRemoved(2), "91925102"),
    (f.RoomStateSet(2, 3), "9193520203"),
    (f.QueueJoined(2, "ann"), "91935302a3616e6e"),
    (f.RoomOpened(2, KEY), "91935402c4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"),
    (f.QueueAdmitted(2, 17, 1700000900000, 1700000300000000), "9195550211cf0000018bcff323a0cf00060a2429ffe300"),
    (f.QueueLeft(2, 5), "9193560205"),
    (f.TurnsLapsed(2, (5, 6)), "91935702920506"),
    (f.PlacesForgotten(2, 512), "91935802cd0200"),
    (f.SeatMapSet(2, b"layout"), "91935a02c4066c61796f7574"),
    (f.ChallengeUsed(KEY, 1700000300000), "91935bc4106b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6bcf0000018bcfe9fbe0"),
    (f.Suspected(2, "ann", 7, 60, 9), "91965c02a3616e6e073c09"),
    (f.LeftLine(7, 4), "91935d0704"),
    (f.Archived((7, 8)), "919212920708"),
    (
        f.Recalled(7, "ann", 2, 3, 2, 9980, 41, 1700000000000, 1700000000000, True, 5, "pi_1", "4,5", True, 9),
        ("91dc00101307a3616e6e020302cd26fc29cf0000018bcfe56800cf0000018bcfe56800c305a470695f31a3342c35c309"),
    ),
]

# Facts as a version wrote them that did not know the last fields yet.
WRITTEN_BEFORE = [
    (
        f.EventCreated(2, msgspec.structs.replace(DETAILS, webhook_url=None, challenge=0, offer_ms=None), TYPES),
        msgspec.msgpack.decode(
            bytes.fromhex(
                "919401029da54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a34555"
                "52cf0000018bcfe568000ac001919403a453656174cd137e64"
            )
        )[0],
    ),
    (
        f.EventChanged(2, msgspec.structs.replace(DETAILS, challenge=0, offer_ms=None), TYPES),
        msgspec.msgpack.decode(
            bytes.fromhex(
                "919402029ea54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a34555"
                "52cf0000018bcfe568000ac001b868747470733a2f2f6578616d706c652e6f72672f686f6f6b919403a453656174cd13"
                "7e64"
            )
        )[0],
    ),
    (f.EpochBegun(3, "n2"), [60, 3, "n2"]),
    (f.Held(7, "ann", 2, 3, 2, 9980, 1_700_000_300_000), [10, 7, "ann", 2, 3, 2, 9980, 1_700_000_300_000]),
    (f.Waited(7, "ann", 2, 3, 2, 9980), [11, 7, "ann", 2, 3, 2, 9980]),
    (f.Promoted(7, 1_700_000_300_000), [12, 7, 1_700_000_300_000]),
    (f.PaymentStarted(5, 7, 9980, None, 1_700_000_900_000), [20, 5, 7, 9980, None, 1_700_000_900_000]),
    (f.PaymentSucceeded(5, None), [22, 5, None]),
    (f.PaymentSucceeded(5, "pi_1", True), [22, 5, "pi_1", True]),
    (f.PaymentFailed(5, "card_declined"), [23, 5, "card_declined"]),
    (f.RefundStarted(6, 7, 9980, False, "requested"), [30, 6, 7, 9980, False, "requested"]),
]


@pytest.mark.parametrize(("fact", "written"), WRITTEN, ids=lambda value: type(value).__name__)
def test_a_fact_is_written_as_ever(fact, written):
    assert f.encode([fact]).hex() == written


@pytest.mark.parametrize(("fact", "written"), WRITTEN, ids=lambda value: type(value).__name__)
def test_what_was_written_is_read_again(fact, written):
    assert f.decode(bytes.fromhex(written)) == [fact]


@pytest.mark.parametrize(("fact", "fields"), WRITTEN_BEFORE, ids=lambda value: type(value).__name__)
def test_a_fact_written_before_its_last_fields_were_known_is_read(fact, fields):
    assert f.decode(msgspec.msgpack.encode([fields])) == [fact]


def test_every_fact_has_its_bytes_here():
    assert {type(fact) for fact, _ in WRITTEN} == set(f.Fact.__args__)


def test_no_number_stands_for_two_facts():
    numbers = [kind.__struct_config__.tag for kind in f.Fact.__args__]
    assert len(set(numbers)) == len(numbers)


def test_facts_of_a_batch_are_read_in_their_order():
    facts = [fact for fact, _ in WRITTEN]
    assert f.decode(f.encode(facts)) == facts


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x91\x92\x63\x01", b"\x91\x92\x0e\xa1a", b"\x91\x91\x0e"])
def test_what_no_version_wrote_is_refused(payload):
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        f.decode(payload)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_parts_joined_are_the_bytes_of_all_at_once(count: int) -> None:
    facts = [f.Lapsed(number) for number in range(count)]
    assert f.join([f.encode_one(fact) for fact in facts]) == f.encode(facts)
