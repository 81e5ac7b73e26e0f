"""A crowd at once on 100 tickets, alone and in groups of three: nothing sold twice, nobody passed.

`ONSALE_CROWD=500 make test ARGS=tests/processes/test_crowd.py` sends more people than the short run here.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest
from nodes import Client, Node, verify

CLIENTS = int(os.environ.get("ONSALE_CROWD", "200"))
TICKETS = 100
HOLD_SECONDS = 2


async def wait_until_served(client: Client, booking_ids: list[int]) -> None:
    """Until nobody waits any more: everyone had a turn and let it lapse."""
    position = 0
    while booking_ids:
        _, facts, headers = await client.call("GET", f"/journal?after_seq={position}&limit=100")
        position += len(facts)
        for fact in facts:
            if fact["type"] == "lapsed" and fact["bookingId"] in booking_ids:
                booking_ids.remove(fact["bookingId"])
        if not facts:
            await client.call("GET", "/events", headers={"Onsale-Min-Seq": str(int(headers["Onsale-Seq"]) + 1)})


@pytest.mark.parametrize("policy", ["strict", "first_fit"])
async def test_the_line_is_served_in_order(tmp_path: Path, policy: str) -> None:
    node = Node(tmp_path / "data", "--hold-seconds", str(HOLD_SECONDS))
    with node:
        async with Client(node.url, connections=CLIENTS) as client:
            event = await client.create_event(
                waitlist=policy, ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": TICKETS}]
            )
            wishes = [random.Random(7).choice((1, 3)) for _ in range(CLIENTS)]
            answers = await asyncio.gather(
                *(
                    client.call("POST", "/booking", {"userId": f"u-{n}", "eventId": event["id"], "quantity": quantity})
                    for n, quantity in enumerate(wishes)
                )
            )
            held = [answer for status, answer, _ in answers if status == 201]
            waiting = [answer for status, answer, _ in answers if status == 202]
            assert len(held) + len(waiting) == CLIENTS
            taken = sum(answer["quantity"] for answer in held)
            # with groups whole, one or two tickets may have to wait for the group at the head
            assert TICKETS - 2 <= taken <= TICKETS
            if policy == "strict" and taken < TICKETS:
                head = min(waiting, key=lambda answer: answer["seq"])
                assert head["quantity"] > TICKETS - taken
            in_order = sorted(waiting, key=lambda answer: answer["seq"])
            assert [answer["position"] for answer in in_order] == list(range(1, len(waiting) + 1))
            await wait_until_served(client, [answer["bookingId"] for answer in held + waiting])
            promoted = await all_facts(client, "promoted")
            if policy == "strict":
                assert [fact["bookingId"] for fact in promoted] == [answer["bookingId"] for answer in in_order]
            else:
                assert {fact["bookingId"] for fact in promoted} == {answer["bookingId"] for answer in in_order}
        node.stop()
    checked = verify(tmp_path / "data")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def all_facts(client: Client, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    position = 0
    while True:
        _, facts, _ = await client.call("GET", f"/journal?after_seq={position}&limit=100")
        if not facts:
            return [fact for fact in found if fact["type"] == kind]
        position = facts[-1]["seq"]
        found += facts
