"""A waiting room on real nodes: the primary is killed while people join, and again while they are let in."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cluster import Cluster, command
from nodes import Client

PEOPLE = 120
TICKETS = 30
OPENS_IN_SECONDS = 6
ROOM = {"admitPerMinute": 60_000, "shuffleAtOpening": True, "turnSeconds": 120}


class Person:
    def __init__(self, number: int, clients: list[Client]) -> None:
        self.user_id = f"u-{number}"
        self.token = ""
        self.number = 0
        self._clients = clients
        self._tried = number

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """Of one node after the other, until one answers for good."""
        given_up_at = time.monotonic() + 20
        while time.monotonic() < given_up_at:
            self._tried += 1
            said = await self._clients[self._tried % len(self._clients)].try_call(method, path, body, key=key)
            if said is not None and said[0] != 503:
                return said[0], said[1]
            await asyncio.sleep(0.05)
        raise AssertionError(f"nobody answered {method} {path}")

    async def join(self, event_id: int) -> None:
        body = {"userId": self.user_id}
        status, place = await self.ask("POST", f"/events/{event_id}/queue", body, key=f"join {self.user_id}")
        assert status == 201, place
        assert place["number"] is None, "it is drawn at the opening"
        self.token = place["token"]

    async def place(self, event_id: int) -> Any:
        status, place = await self.ask("GET", f"/events/{event_id}/queue/{self.token}")
        assert status == 200, place
        return place

    async def book(self, event_id: int) -> tuple[int, Any]:
        body = {"userId": self.user_id, "eventId": event_id, "queueToken": self.token, "waitlist": False}
        return await self.ask("POST", "/booking", body, key=f"book {self.user_id}")


async def kill_and_fail_over(cluster: Cluster) -> None:
    """The primary is gone, another one leads, and the old one comes back and follows."""
    old = await cluster.primary()
    cluster.nodes[old].kill()
    ended = await cluster.order(cluster.other_than(old), "failover")
    assert ended.code == 0, f"{ended}\n{cluster.told()}"
    await cluster.start_node(old)
    await cluster.settle()


async def test_no_place_is_lost_and_nobody_is_passed(tmp_path: Path) -> None:
    async with Cluster(tmp_path, seconds=5) as cluster:
        clients = list(cluster.clients.values())
        opens_at = (datetime.now(UTC) + timedelta(seconds=OPENS_IN_SECONDS)).isoformat(timespec="milliseconds")
        event = await clients[0].create_event(
            ticketTypes=[{"name": "Floor", "price": "10.00", "capacity": TICKETS}],
            waitingRoom=ROOM | {"opensAt": opens_at},
        )
        event_id = event["id"]
        people = [Person(number, clients) for number in range(PEOPLE)]
        await asyncio.gather(*(person.join(event_id) for person in people[: PEOPLE // 2]))
        joining = asyncio.gather(*(person.join(event_id) for person in people[PEOPLE // 2 :]))
        await kill_and_fail_over(cluster)
        await joining

        async def opened() -> bool:
            _, room = await people[0].ask("GET", f"/events/{event_id}/queue")
            return bool(room["state"] == "open" and room["nowServing"] >= TICKETS)

        await cluster.until(opened, "people are let in")
        await cluster.settle()
        places = await asyncio.gather(*(person.place(event_id) for person in people))
        for person, place in zip(people, places, strict=True):
            person.number = place["number"]
        assert sorted(person.number for person in people) == list(range(1, PEOPLE + 1))
        assert [person.number for person in people] != list(range(1, PEOPLE + 1)), "they were drawn by lot"
        inside = [person for person, place in zip(people, places, strict=True) if place["admitted"]]
        assert sorted(person.number for person in inside) == list(range(1, len(inside) + 1)), "in the order of numbers"
        assert len(inside) == TICKETS, "no more people than tickets"
        outside = next(person for person in people if person not in inside)
        status, refused = await outside.book(event_id)
        assert (status, refused["code"]) == (403, "queue_required")

        half = [await person.book(event_id) for person in inside[: TICKETS // 2]]
        await kill_and_fail_over(cluster)
        again = await asyncio.gather(*(person.place(event_id) for person in people))
        assert [place["number"] for place in again] == [person.number for person in people], "no place was lost"
        rest = [await person.book(event_id) for person in inside[TICKETS // 2 :]]
        assert [status for status, _ in (*half, *rest)] == [201] * TICKETS
        await cluster.settle()  # any node may be asked
        _, told = await people[0].ask("GET", f"/events/{event_id}")
        assert told["ticketTypes"][0]["held"] == TICKETS
        await cluster.stop()
        await cluster.verified()
        ended = await command("verify", "--data", str(tmp_path / "b"), "--fairness", str(event_id), "--format", "json")
        assert ended.code == 0, ended
