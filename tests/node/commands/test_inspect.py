"""`onsale inspect`: facts in words, from journals made by the real engine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.node.command_line import main
from onsale.node.commands.sentences import sentence
from onsale.node.commands.story import Story
from onsale.tests.engine.histories import DAY_MS, HOLD_MS, History, begin_cluster, busy_history, save_node

CORRUPT = 6


def run(data: Path, *flags: str) -> Result:
    return CliRunner().invoke(main, ["inspect", "--data", str(data), *flags])


def words(history: History) -> list[str]:
    """Every fact of a history in words."""
    story, told = Story(), []
    for first_seq, at_ms, facts in history.batches:
        story.begin_batch(first_seq, at_ms)
        for fact in facts:
            told.append(sentence(story, fact))
            story.follow(fact)
    return told


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def sold_out() -> History:
    """Two tickets: ada holds them, ben and cleo wait; her hold lapses, and ben is served."""
    history = History()
    history.event(("Standing", "49.90", 2), name="Long Shadows", venue="Kesselhalle", city="Berlin")
    history.book("ada", quantity=2, key="a1")
    history.pass_time(1000)
    history.book("ben", quantity=2)
    history.book("cleo")
    history.pass_time(HOLD_MS - 1000)
    return history


# --- sentences


def test_a_line_in_words(sold_out: History) -> None:
    assert words(sold_out) == [
        'Event 1 "Long Shadows" was created: Kesselhalle, Berlin, 2026-12-18T11:06:40.000Z, 2 x Standing at 49.90 EUR.',
        (
            'Booking 1: 2 x Standing of event 1 "Long Shadows" held for ada at 99.80 EUR, until '
            "2026-11-18T11:11:40.000Z (300 s)."
        ),
        "A request was answered with booking 1, held. Kept as the answer to idempotency key 61312020.",
        (
            'Booking 2: ben stands in line for 2 x Standing of event 1 "Long Shadows", at position 1, because not '
            "enough were free."
        ),
        (
            'Booking 3: cleo stands in line for 1 x Standing of event 1 "Long Shadows", at position 2, because 1 '
            "wait already."
        ),
        "Booking 1: the hold ran out unpaid, which frees 2 x Standing.",
        (
            "Booking 2: its turn came, because booking 1 lapsed in the same step (seq 6); 2 x Standing held for ben "
            "until 2026-11-18T11:16:40.000Z."
        ),
    ]


def test_money_in_words() -> None:
    history = History()
    history.event(("Standing", "49.90", 4))
    history.book("ada")
    history.settle(history.pay(1), failure="card_declined")
    history.confirm(1)
    history.refunded(history.refund(1, "9.90"))
    history.refunded(history.refund(1), failure="account closed")
    assert words(history)[2:] == [
        (
            "Booking 1: payment 1 of 49.90 EUR by pm_card_visa began; meanwhile the hold can't lapse, until "
            "2026-11-18T11:21:40.000Z at the latest."
        ),
        "Booking 1: payment 1 was declined: card_declined.",
        (
            "Booking 1: payment 2 of 49.90 EUR by pm_card_visa began; meanwhile the hold can't lapse, until "
            "2026-11-18T11:21:40.000Z at the latest."
        ),
        "Booking 1: payment 2 succeeded (pi_2): the booking is confirmed.",
        "Booking 1: refund 1 of 9.90 EUR, of a part, began, as was asked for.",
        "Booking 1: refund 1 of 9.90 EUR is back with the user.",
        "Booking 1: refund 2 of 40.00 EUR, of all that is left, began, as was asked for; 1 x Standing back on sale.",
        "Booking 1: refund 2 of 40.00 EUR failed at the provider: account closed. The money is still owed.",
    ]


def test_the_cluster_in_words() -> None:
    history = History()
    begin_cluster(history)
    save_node(history, "n2", http="")
    save_node(history, "r1", voting=False, replication="")
    for count in (1, 2, 0):
        history.do(c.SetSyncStandbys(count))
    save_node(history, "n2", node_id=b"another", voting=False, replication="", http="http://n2:81")
    save_node(history, "n2", replication="n2:7001", http="", node_id=b"another")
    history.do(c.BeginEpoch(4, "n2"))
    history.do(c.BeginEpoch(5, "n2"))
    history.do(c.RemoveMember("r1"))
    assert words(history) == [
        "Epoch 1 began: n1 decides from here on.",
        "Node n1 (6e316e31) takes part as a voting member, replication at n1:7000, HTTP at http://n1:80.",
        "The key that signs ticket codes was saved; it is a secret and not shown.",
        "Node n2 (6e326e32) takes part as a voting member, replication at n2:7000.",
        "Node r1 (72317231) takes part as a read replica, HTTP at http://r1:80.",
        "From here on a write is answered when the primary and 1 standby have it on disk.",
        "From here on a write is answered when the primary and 2 standbys have it on disk.",
        "From here on a write is answered when the primary has it on disk.",
        (
            "Node n2 was changed: it is another node (616e6f74) under the same name, it is a read replica from here "
            "on, it takes no followers, HTTP is at http://n2:81."
        ),
        ("Node n2 was changed: it is a voting member from here on, replication is at n2:7001, it serves no HTTP."),
        "Epoch 4 began: n2 decides from here on, after n1.",
        "Epoch 5 began: n2 decides from here on.",
        "Node r1 was removed from the cluster.",
    ]


def test_the_ticket_key_is_never_shown(data: Path) -> None:
    history = History()
    begin_cluster(history)
    history.write(data)
    for flags in ([], ["--format", "json"], ["--seq", "3"], ["--seq", "3", "--format", "json"]):
        shown = run(data, *flags)
        assert shown.exit_code == 0, shown.output
        assert "signs ticket codes" in shown.output
        assert "k" * 4 not in shown.output
        assert (b"k" * 4).hex() not in shown.output


def test_money_that_comes_too_late_in_words() -> None:
    history = History()
    history.event(("Standing", "10.00", 1))
    history.book("ada")
    payment_id = history.pay(1)
    history.pass_time(16 * 60 * 1000)
    history.book("ben")
    history.settle(payment_id)
    told = words(history)
    assert "Booking 1: payment 1 is waited for no longer: its time was over." in told
    assert told[-2:] == [
        "Booking 1: payment 1 succeeded (pi_1) when the booking was expired by then: its money goes back.",
        "Booking 1: refund 1 of 10.00 EUR, of payment 1, began, because it was paid for nothing.",
    ]


def test_changes_of_an_event_in_words() -> None:
    history = History()
    history.event(("Standing", "10.00", 1), name="Long Shadows")
    history.book("ada")
    history.book("ben")
    history.pass_time(1)
    change = c.ChangeEvent(1, name="Short Shadows", types=(c.TypeChange(id=1, capacity=2),), hold_ms=HOLD_MS)
    history.do(change)
    history.do(c.CancelEvent(1))
    history.chores()
    told = words(history)
    assert 'Event 1 "Short Shadows" was changed: its name, its tickets (now 2 x Standing at 10.00 EUR).' in told
    assert any(
        sentence.startswith("Booking 2: its turn came, because event 1 was changed in the same step")
        for sentence in told
    )
    assert 'Event 1 "Short Shadows" was cancelled; its bookings are ended one by one from here on.' in told
    assert "Booking 1 ended because its event was cancelled." in told


@pytest.mark.parametrize("seed", range(4))
def test_there_are_words_for_everything_that_happens(seed: int) -> None:
    history = busy_history(seed, 300)
    told = words(history)
    assert len(told) == len(history.facts)
    assert all(each.endswith(".") and "None" not in each for each in told)


def test_a_story_that_begins_in_the_middle_is_told_with_less() -> None:
    history = busy_history(1, 300)
    story = Story()
    for first_seq, at_ms, facts in history.batches[5:]:
        story.begin_batch(first_seq, at_ms)
        for fact in facts:
            assert sentence(story, fact)
            story.follow(fact)


# --- the command


def test_the_latest_facts(sold_out: History, data: Path) -> None:
    sold_out.write(data)
    result = run(data, "--limit", "2")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["seq", "time", "epoch", "what", "happened"]
    assert [line.split()[0] for line in lines] == ["6", "7"]
    assert lines[1].split(maxsplit=3)[1:3] == ["2026-11-18T11:11:40.000Z", "1"]


def test_one_position_and_its_neighbours_in_the_same_batch(sold_out: History, data: Path) -> None:
    sold_out.write(data)
    result = run(data, "--seq", "7", "--format", "json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert [(each["seq"], each["wanted"], each["type"]) for each in told] == [
        (6, False, "lapsed"),
        (7, True, "promoted"),
    ]
    assert told[1]["words"].startswith("Booking 2: its turn came, because booking 1 lapsed in the same step (seq 6)")
    assert told[1]["bookingId"] == 2
    assert "→    7" in run(data, "--seq", "7").stdout


def test_a_large_batch_is_shown_around_what_is_wanted(data: Path) -> None:
    history = History()
    history.event(("Standing", "1.00", 1000))
    for number in range(200):
        history.book(f"user-{number}")
    history.write(data)
    told = json.loads(run(data, "--seq", "100", "--limit", "10", "--format", "json").stdout)
    assert [each["seq"] for each in told] == list(range(95, 106))


def test_the_whole_history_of_a_booking(data: Path) -> None:
    history = History()
    history.event(("Standing", "49.90", 2))
    history.book("ada", quantity=2, key="a1")
    history.book("ben", key="b1")
    history.pass_time(10)
    history.give_up(1)
    history.settle(history.pay(2, key="b2"), failure="card_declined")
    history.confirm(2)
    history.refunded(history.refund(2, key="b3"))
    history.pass_time(DAY_MS)
    history.write(data)
    result = run(data, "--booking", "2")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        'Booking 2: 1 x Standing of event 1 "Long Shadows" for ben at 49.90 EUR; it is refunded now.'
    )
    told = json.loads(run(data, "--booking", "2", "--format", "json").stdout)
    assert [each["type"] for each in told] == [
        "waited", "keyed", "promoted", "payment_started", "keyed", "payment_failed", "keyed", "payment_started",
        "payment_succeeded", "refund_started", "keyed", "refund_succeeded", "keyed", "retired",
    ]  # fmt: skip
    said = [each["words"] for each in told]
    assert said[2].startswith("Booking 2: its turn came, because booking 1 was given up in the same step")
    assert "A request was refused (payment_declined): The payment was declined; try another way to pay." in said[6]


def test_only_the_last_facts_of_a_long_history(sold_out: History, data: Path) -> None:
    sold_out.write(data)
    result = run(data, "--booking", "2", "--limit", "1")
    assert "2 facts concern this booking; here are the last 1" in result.stderr
    assert "its turn came" in result.stdout.splitlines()[-1]


def test_a_refusal_that_was_kept_says_why(data: Path) -> None:
    history = History()
    history.event(("Standing", "49.90", 1), waitlist=0)
    history.book("ada")
    history.book("ben", key="b1")
    history.write(data)
    assert "A request was refused (sold_out): 0 tickets are free, 1 were asked for." in run(data, "--seq", "3").stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--seq", "8"), "There is no seq 8: the journal goes from seq 1 to seq 7."),
        (("--booking", "4"), "There is no booking 4 in this journal: its bookings go up to 3;"),
    ],
)
def test_what_is_not_there(sold_out: History, data: Path, flags: tuple[str, ...], sentence: str) -> None:
    sold_out.write(data)
    result = run(data, *flags)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert not result.stdout


def test_seq_and_booking_at_once(sold_out: History, data: Path) -> None:
    sold_out.write(data)
    assert run(data, "--seq", "1", "--booking", "1").exit_code == 2


def test_a_folder_without_a_journal(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "There is no journal in" in result.stderr


def test_a_damaged_journal_is_told_up_to_the_damage(sold_out: History, data: Path) -> None:
    sold_out.write(data)
    (path,) = (data / "journal").glob("*.segment")
    content = bytearray(path.read_bytes())
    content[-150] ^= 1  # in the last batch, which a mark says was durable
    path.write_bytes(content)
    result = run(data)
    assert result.exit_code == CORRUPT
    assert "cleo stands in line" in result.stdout.splitlines()[-1]
    assert path.name in result.stderr
    behind = run(data, "--seq", "99")
    assert behind.exit_code == CORRUPT, "nobody can say what stood there"
    assert path.name in behind.stderr


def test_control_characters_of_strangers_do_not_reach_the_terminal(data: Path) -> None:
    history = History()
    history.do(c.SaveUser("ada\x1b[31m"))
    history.write(data)
    assert "\x1b" not in run(data).stdout


def test_an_empty_journal(data: Path) -> None:
    History().write(data)
    result = run(data)
    assert result.exit_code == 0
    assert run(data, "--seq", "1").exit_code == 1


def test_facts_of_one_kind_are_told_of_their_own_booking_alone(sold_out: History) -> None:
    kinds = {type(fact) for fact in sold_out.facts}
    assert kinds == {f.EventCreated, f.Held, f.Keyed, f.Waited, f.Lapsed, f.Promoted}
