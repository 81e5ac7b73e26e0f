"""What was answered is there again: after Ctrl-C, after kill -9, after a crash in the middle of a payment."""

import base64
from hashlib import blake2b
from pathlib import Path

import pytest
from nodes import Client, Node, new_key, onsale, verify

from onsale.node.tickets import TicketCodes
from onsale.tests.engine.histories import History, booking_id_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def book_and_pay(client: Client, event_id: int, user_id: str) -> dict[str, object]:
    status, held, _ = await client.call("POST", "/booking", {"userId": user_id, "eventId": event_id, "quantity": 2})
    assert status == 201, held
    status, paid, _ = await client.call(
        "POST", "/pay", {"userId": user_id, "eventId": event_id, "amount": held["amount"]}
    )
    assert status == 200, paid
    assert paid["bookingStatus"] == "confirmed"
    assert len(paid["tickets"]) == 2
    return paid  # type: ignore[no-any-return]


@pytest.mark.parametrize("hard", [False, True], ids=["ctrl-c", "kill-9"])
async def test_a_paid_booking_is_there_again(data: Path, hard: bool) -> None:
    node = Node(data)
    with node:
        async with Client(node.url) as client:
            event = await client.create_event()
            paid = await book_and_pay(client, event["id"], "ada")
            await client.call("PUT", "/users/ada", {"name": "Ada", "email": "ada@example.org"})
            _, before, _ = await client.call("GET", f"/booking/{paid['bookingId']}")
        if hard:
            node.kill()
        else:
            assert node.stop() == 0
        node.start()
        async with Client(node.url) as client:
            status, after, _ = await client.call("GET", f"/booking/{paid['bookingId']}")
            assert (status, after) == (200, before)
            assert [ticket["code"] for ticket in after["tickets"]] == [ticket["code"] for ticket in paid["tickets"]]
            _, user, _ = await client.call("GET", "/users/ada")
            assert user["email"] == "ada@example.org"
            _, bookings, _ = await client.call("GET", "/users/ada/bookings")
            assert [each["bookingId"] for each in bookings] == [paid["bookingId"]]
            _, notices, _ = await client.call("GET", "/users/ada/notifications")
            assert [notice["kind"] for notice in notices] == ["confirmed", "held"]
            _, found, _ = await client.call("GET", "/events?search=rehears")
            assert [each["id"] for each in found] == [event["id"]]
            assert found[0]["available"] == 98
        node.stop()
    checked = verify(data)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_an_idempotency_key_outlives_the_process(data: Path) -> None:
    node = Node(data)
    key, pay_key, refused_key = new_key(), new_key(), new_key()
    with node:
        async with Client(node.url) as client:
            event = await client.create_event(ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 1}])
            body = {"userId": "ada", "eventId": event["id"]}
            first = await client.call("POST", "/booking", body, key=key)
            late = {"userId": "bob", "eventId": event["id"], "waitlist": False}
            refused = await client.call("POST", "/booking", late, key=refused_key)
            assert (first[0], refused[0]) == (201, 409)
            pay = {"userId": "ada", "eventId": event["id"], "amount": "10.00"}
            paid = await client.call("POST", "/pay", pay, key=pay_key)
            assert paid[0] == 200
        node.kill()
        node.start()
        async with Client(node.url) as client:
            for path, sent, used, before in (
                ("/booking", body, key, first),
                ("/booking", late, refused_key, refused),
                ("/pay", pay, pay_key, paid),
            ):
                again = await client.call("POST", path, sent, key=used)
                assert again[:2] == before[:2]
                assert again[2]["Idempotency-Replayed"] == "true"
            status, problem, _ = await client.call("POST", "/booking", late, key=key)
            assert (status, problem["code"]) == (422, "idempotency_mismatch")


async def test_a_hold_that_ran_out_while_the_node_was_down_lapses_at_once(data: Path) -> None:
    node = Node(data, "--hold-seconds", "1")
    with node:
        async with Client(node.url) as client:
            event = await client.create_event(ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 1}])
            await client.call("POST", "/booking", {"userId": "ada", "eventId": event["id"]})
            _, waiting, _ = await client.call("POST", "/booking", {"userId": "bob", "eventId": event["id"]})
            assert waiting["status"] == "waiting"
        node.kill()
        node.start()
        async with Client(node.url) as client:
            for _ in range(200):
                _, booking, headers = await client.call("GET", f"/booking/{waiting['bookingId']}")
                if booking["status"] == "held":
                    break
                await client.call(
                    "GET", "/events", headers={"Onsale-Min-Seq": str(int(headers["Onsale-Seq"]) + 1)}
                )  # answers when something happened, or after a second
            assert booking["status"] in ("held", "expired")


def test_a_second_process_on_the_same_folder_is_refused(data: Path) -> None:
    node = Node(data)
    with node:
        refused = onsale("serve", "--data", str(data), "--listen", "127.0.0.1:0")
        assert refused.returncode == 1
        assert str(node.process.pid) in refused.stderr  # type: ignore[union-attr]


def test_another_address_than_loopback_needs_authentication(data: Path) -> None:
    refused = onsale("serve", "--data", str(data), "--listen", "0.0.0.0:0")
    assert refused.returncode == 4
    assert "onsale token" in refused.stderr or "ONSALE_JWT_KEY" in refused.stderr


async def test_the_ticket_key_of_an_earlier_version_is_taken_into_the_journal(data: Path) -> None:
    history = History()
    history.event()
    booking_id = booking_id_of(history.book("ada", quantity=2))
    history.confirm(booking_id)
    history.write(data)
    (data / "ticket.key").write_bytes(b"o" * 32)
    body = booking_id.to_bytes(6, "big") + (1).to_bytes(2, "big")
    printed = base64.b32encode(body + blake2b(body, digest_size=7, key=b"o" * 32).digest()).decode()
    node = Node(data)
    for _ in range(2):
        with node:
            async with Client(node.url) as client:
                _, booking, _ = await client.call("GET", f"/booking/{booking_id}")
                new = [ticket["code"] for ticket in booking["tickets"]]
                assert new == TicketCodes(lambda: b"o" * 32).of(1, booking_id, 2)
                _, ticket, _ = await client.call("GET", f"/tickets/{printed}")
                assert (ticket["bookingId"], ticket["number"]) == (booking_id, 1)
                _, facts, _ = await client.call("GET", f"/journal?after_seq={history.state.seq}")
                (saved,) = [fact for fact in facts if fact["type"] == "ticket_key_saved"]
                assert "key" not in saved
            assert node.stop() == 0
        (data / "ticket.key").unlink(missing_ok=True)  # it is needed no longer
    assert verify(data).returncode == 0
