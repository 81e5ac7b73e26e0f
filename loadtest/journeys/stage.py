"""The events that people come for: made before a run, asked about after it.

Owns what is on sale in a run, in proportion to its length and its people, and how a node is talked to outside locust.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final
from urllib.parse import urlsplit

from .plan import Plan
from .shapes import opens_after_seconds

STARTS_AT: Final = "2098-06-01T20:00:00Z"
TURN_SECONDS: Final = 10
KINDS: Final = ("Jazz", "Opera", "Ballet", "Comedy", "Football", "Marathon", "Chess", "Cinema", "Circus", "Lecture",
                "Poetry", "Magic", "Folk", "Punk", "Organ")  # fmt: skip
CITIES: Final = ("Lisbon", "Porto", "Madrid", "Vienna", "Prague", "Berlin", "Hamburg", "Oslo", "Bergen",
                 "Dublin", "Cork", "Turin", "Genoa", "Athens", "Zagreb", "Warsaw", "Gdansk",
                 "Tallinn", "Riga", "Vilnius")  # fmt: skip
ROWS: Final = 40
AT_ONCE: Final = 8  # of the events that are made to be found
LOCUST_STARTS_SECONDS: Final = 1.5


class NodeError(Exception):
    """The text says what to do."""


def call(host: str, method: str, path: str, body: dict[str, Any] | None = None, token: str = "") -> tuple[int, Any]:
    """Raises NodeError when nobody is there."""
    to = urlsplit(host)
    kind = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
    connection = kind(to.hostname or "", to.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException) as error:
        raise NodeError(
            f"Nobody answers at {host} ({error}). Start a node (`make run`), or name another --host."
        ) from None
    except ValueError:
        raise NodeError(f"What answers at {host} is no node of Onsale: {method} {path} gave no JSON.") from None
    finally:
        connection.close()


def set_stage(plan: Plan, token: str = "") -> Plan:
    """Make the events, and name them in the plan. Raises NodeError."""
    host, tickets = plan.host, max(round(plan.users * plan.seconds / 12), 40)
    opens_at = datetime.now(UTC) + timedelta(
        seconds=LOCUST_STARTS_SECONDS + opens_after_seconds(plan.shape, plan.seconds)
    )
    room_name = f"The night of {plan.run_id}"
    room = _event(
        host, token, room_name, "Standing", tickets, maxPerUser=4, waitlist="off", challenge="proof_of_work",
        waitingRoom={
            "admitPerMinute": max(plan.users * 30, 600),
            "turnSeconds": TURN_SECONDS,
            "opensAt": opens_at.isoformat(timespec="milliseconds"),
        },
    )  # fmt: skip
    rows = [{"name": str(row + 1), "seats": max(tickets // 2 // ROWS, 4)} for row in range(ROWS)]
    seats = sum(int(str(row["seats"])) for row in rows)
    seat_map = {"sections": [{"name": "Stalls", "ticketType": "Stalls", "rows": rows}]}
    seated = _event(host, token, f"Seats of {plan.run_id}", "Stalls", seats, seatMap=seat_map)
    halls = tuple(
        _event(host, token, f"Hall {n} of {plan.run_id}", "Floor", tickets * 10, maxPerUser=4) for n in (1, 2)
    )
    small = tuple(
        _event(host, token, f"Club {n} of {plan.run_id}", "Floor", max(plan.users // 8, 4), waitlist="strict")
        for n in range(max(int(plan.seconds / 10), 2))
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: _to_search_for(host, token, *each), product(KINDS, CITIES)))
    words = (*KINDS, *CITIES, *(kind[:4] for kind in KINDS), *(f"{kind} {CITIES[0]}" for kind in KINDS))
    return Plan(
        host=host, folder=plan.folder, run_id=plan.run_id, seconds=plan.seconds, users=plan.users, shape=plan.shape,
        room=room, room_name=room_name, seated=seated, halls=halls, small=small, words=words, cities=CITIES,
    )  # fmt: skip


def _to_search_for(host: str, token: str, kind: str, city: str) -> None:
    _event(host, token, f"{kind} in {city}", "Floor", 100, city=city, category=kind.lower(), venue=f"{city} Hall")


def sold_of(plan: Plan, token: str = "") -> dict[int, int]:
    """Tickets sold of each event, as the node says. Raises NodeError."""
    sold = {}
    for event_id in plan.events:
        status, event = call(plan.host, "GET", f"/events/{event_id}", token=token)
        if status != 200:
            raise NodeError(f"Event {event_id} cannot be asked for any more: {status} {event}")
        sold[event_id] = sum(each["sold"] for each in event["ticketTypes"])
    return sold


def _event(host: str, token: str, name: str, kind: str, capacity: int, **more: Any) -> int:
    ticket_type = {"name": kind, "price": "39.50", "capacity": capacity}
    body = {"name": name, "startsAt": STARTS_AT, "ticketTypes": [ticket_type], **more}
    status, said = call(host, "POST", "/events", body, token)
    if status in (401, 403):
        raise NodeError(
            f"{host} wants to know who makes events: {said.get('detail')} "
            "Put a token of an operator into ONSALE_TOKEN (`onsale token --role operator --sub load`)."
        )
    if status != 201:
        raise NodeError(f"The event {name!r} could not be made at {host}: {status} {said.get('detail', said)}")
    return int(said["id"])
