"""A herd on the last seats of a venue: each is sold once, and everybody is told what is so."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from nodes import Client, Node, verify

PEOPLE = 1_000
SEATS_LEFT = 50
ROWS = [{"name": str(number), "seats": 25, "accessible": [1], "companions": [2]} for number in range(1, 9)]
HALL = {"sections": [{"name": "Hall", "ticketType": "Seat", "rows": ROWS}]}
LAST = [f"Hall/{row}/{number}" for row in ("7", "8") for number in range(1, 26)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


async def sold_but_the_last(client: Client) -> int:
    """An event of which all but the last rows are paid."""
    types = [{"name": "Seat", "price": "10.00", "capacity": 200}]
    event = await client.create_event(ticketTypes=types, seatMap=HALL, maxPerUser=200)
    early = {"userId": "early", "eventId": event["id"]}
    named = [f"Hall/{row}/{number}" for row in range(1, 7) for number in range(1, 26)]
    status, booking, _ = await client.call("POST", "/booking", early | {"seats": named})
    assert status == 201, booking
    status, paid, _ = await client.call("POST", "/pay", early | {"amount": "1500.00"})
    assert status == 200, paid
    return int(event["id"])


def wish_of(number: int, event_id: int) -> dict[str, Any]:
    """Half of them take what is best, the others want very seats."""
    chance, wish = random.Random(number), {"userId": f"u-{number}", "eventId": event_id, "waitlist": False}
    if number % 2:
        return wish | {"quantity": chance.choice((1, 1, 2, 3))}
    first = chance.randrange(len(LAST))
    return wish | {"seats": LAST[first : first + chance.choice((1, 2))]}


async def map_of(client: Client, event_id: int) -> dict[str, str]:
    _, shown, _ = await client.call("GET", f"/events/{event_id}/seats")
    rows = (row for section in shown["sections"] for row in section["rows"])
    return {seat["id"]: seat["status"] for row in rows for seat in row["seats"]}


async def test_a_herd_on_the_last_seats(node: Node) -> None:
    with node:
        async with Client(node.url, connections=PEOPLE) as client:
            event_id = await sold_but_the_last(client)
            wishes = [wish_of(number, event_id) for number in range(PEOPLE)]
            wishes += [{"userId": f"late-{n}", "eventId": event_id, "waitlist": False} for n in range(SEATS_LEFT)]
            answers = await asyncio.gather(*(client.call("POST", "/booking", wish) for wish in wishes))
            got = Counter[str]()
            for wish, (status, answer, _) in zip(wishes, answers, strict=True):
                assert status in (201, 409), answer
                if status == 201:
                    assert len(answer["seats"]) == answer["quantity"] == len(wish.get("seats", answer["seats"]))
                    assert set(wish.get("seats", answer["seats"])) == set(answer["seats"])
                    got.update(answer["seats"])
                else:
                    assert answer["code"] == "sold_out"
                    assert set(answer.get("seats", ())) <= set(wish.get("seats", ()))
            assert got == Counter(LAST), "exactly the last seats, each once"
            shown = await map_of(client, event_id)
            assert Counter(shown.values()) == {"sold": 150, "held": SEATS_LEFT}
            assert {seat for seat, status in shown.items() if status == "held"} == set(LAST)
        node.kill()
        node.start()
        async with Client(node.url) as client:
            assert await map_of(client, event_id) == shown, "after a crash, too"
        node.stop()
    checked = verify(node.data)
    assert checked.returncode == 0, checked.stdout + checked.stderr
