"""Load and kill -9 at random moments: what was answered is there afterwards, and nothing is sold twice.

`ONSALE_KILL_ROUNDS=50 make test ARGS=tests/processes/test_kill.py` runs more rounds than the short run here.
A client whose connection broke does not know what became of its request: it asks again with the same key.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

from nodes import Client, Node, new_key, verify

ROUNDS = int(os.environ.get("ONSALE_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("ONSALE_KILL_SEED", "1"))
USERS_AT_ONCE = 40
TICKETS = 400


class Ledger:
    """What the clients were told."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, Any, tuple[int, Any]]] = {}  # by key: path, body, answer
        self.unknown: dict[str, tuple[str, Any]] = {}  # by key: asked, and never answered

    async def ask(self, client: Client, path: str, body: Any, key: str) -> Any:
        self.unknown[key] = (path, body)
        answer = await client.try_call("POST", path, body, key=key)
        if answer is not None:
            del self.unknown[key]
            if answer[0] != 503:
                self.answers[key] = (path, body, answer)
        return answer


async def shopper(client: Client, ledger: Ledger, event_id: int, chance: random.Random, round_number: int) -> None:
    """Books, pays and gives up, until the connection breaks."""
    count = 0
    while True:
        count += 1
        user_id = f"r{round_number}-{chance.randrange(10**9)}"
        quantity = chance.choice((1, 1, 2, 3))
        body = {"userId": user_id, "eventId": event_id, "quantity": quantity}
        booked = await ledger.ask(client, "/booking", body, new_key())
        if booked is None:
            return
        status, booking = booked
        if status != 201:
            continue
        wish = chance.random()
        if wish < 0.6:
            pay = {"userId": user_id, "eventId": event_id, "amount": booking["amount"]}
            if chance.random() < 0.2:
                pay["paymentMethod"] = "pm_card_chargeDeclined"
            if await ledger.ask(client, "/pay", pay, new_key()) is None:
                return
        elif wish < 0.9 and await client.try_call("DELETE", f"/booking/{booking['bookingId']}") is None:
            return


async def check(node: Node, ledger: Ledger, event_id: int) -> None:
    """Every answer is given again, byte for byte; what was not answered may be asked for again."""
    async with Client(node.url) as client:
        for key, (path, body, answer) in ledger.answers.items():
            again = await client.try_call("POST", path, body, key=key)
            assert again == answer, f"{path} {body} was answered {answer} and is now {again}"
            if path == "/pay" and answer[0] == 200:
                _, booking, _ = await client.call("GET", f"/booking/{answer[1]['bookingId']}")
                assert booking["status"] == "confirmed"
        for key, (path, body) in list(ledger.unknown.items()):
            answer = await client.try_call("POST", path, body, key=key)
            assert answer is not None
            again = await client.try_call("POST", path, body, key=key)
            assert again == answer
        ledger.unknown.clear()
        _, event, _ = await client.call("GET", f"/events/{event_id}")
        for kind in event["ticketTypes"]:
            assert kind["held"] + kind["sold"] + kind["available"] == kind["capacity"]
            assert kind["available"] >= 0


async def test_kill_minus_nine(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    node = Node(tmp_path / "data", "--hold-seconds", "3")
    event_id = 0
    answered = 0
    for round_number in range(ROUNDS):
        ledger = Ledger()
        with node:
            async with Client(node.url) as client:
                event = await client.create_event(
                    name=f"Round {round_number}",
                    ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": TICKETS}],
                )
                event_id = event["id"]
                shoppers = [
                    asyncio.create_task(shopper(client, ledger, event_id, chance, round_number))
                    for _ in range(USERS_AT_ONCE)
                ]
                await asyncio.sleep(chance.uniform(0.2, 1.5))  # the random moment
                node.kill()
                await asyncio.gather(*shoppers)
            node.start()
            await check(node, ledger, event_id)
            answered += len(ledger.answers)
            if round_number % 2:
                node.kill()
            else:
                assert node.stop() == 0
        checked = verify(node.data)
        assert checked.returncode == 0, f"round {round_number}: {checked.stdout}{checked.stderr}"
    assert answered > 20 * ROUNDS, "the load was too small to show anything"
