"""One node and the world outside of it, for tests that do what a user, an organiser or an operator does.

The provider, the mail server and the webhooks are real servers in the test's own process (money.py).
"""

import asyncio
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from money import Outside, Taken
from nodes import Client, Node, Said, free_port, new_key, onsale, verify
from stripe_server import StripeServer

SEEN_WITHIN_SECONDS = 15.0
LOOKED_AT_SECONDS = 0.02
PRICE = "12.50"

Row = dict[str, Any]


class BoxOffice:
    def __init__(
        self,
        data: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        prepare: Callable[[Outside, Path], None] | None = None,
    ) -> None:
        """`environment` is added to what the world outside asks for; it wins. `prepare` is called with the data folder
        before the node starts.
        """
        self.outside = Outside(self._urls, random.Random(1))
        self.client: Client
        self._more = environment or {}
        self._prepare = prepare
        self._flags = flags
        self._data = data / "data"
        self.node: Node

    def _urls(self) -> list[str]:
        return [self.node.url] if self.node.runs else []

    async def __aenter__(self) -> Self:
        await self.outside.__aenter__()
        if self._prepare is not None:
            self.stripe.webhooks.send_to()  # of what was before nothing is told
            self._prepare(self.outside, self._data)
        environment = self.outside.environment | self._more
        self.node = Node(self._data, *self._flags, port=free_port(), environment=environment)
        await asyncio.to_thread(self.node.start)
        self.client = Client(self.node.url)
        self.stripe.webhooks.send_to(f"{self.node.url}/webhooks/stripe")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        self.node.end()
        await self.outside.__aexit__()

    @property
    def stripe(self) -> StripeServer:
        return self.outside.stripe

    async def restart(self, *, kill: bool = False) -> None:
        """A client that follows is another one: its connections were cut."""
        await self.client.close()
        await asyncio.to_thread(self.node.kill if kill else self.node.stop)
        await asyncio.to_thread(self.node.start)
        self.client = Client(self.node.url)

    async def verified(self) -> None:
        """Stops the node; its journal must be without a fault."""
        await asyncio.to_thread(self.node.stop)
        done = await asyncio.to_thread(verify, self._data)
        assert done.returncode == 0, done.stdout + done.stderr

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An operator's, at this node."""
        return await asyncio.to_thread(onsale, *arguments, "--node", self.node.url)

    # --- as callers do

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, status: int | None = None
    ) -> Any:
        """The body of an answer that has this status, or any below 300."""
        answered, answer, _ = await self.client.call(method, path, body, key=key)
        assert answered == status or (status is None and answered < 300), f"{method} {path}: {answered} {answer}"
        return answer

    async def event(self, capacity: int = 1000, price: str = PRICE, **fields: Any) -> Row:
        types = [{"name": "Standing", "price": price, "capacity": capacity}]
        return await self.client.create_event(ticketTypes=types, **fields)

    async def person(self, user_id: str, *, called: bool = True) -> Row:
        """Somebody with an address, and a webhook that checks signatures if `called`."""
        about = {"name": user_id, "email": f"{user_id}@people.test"}
        if called:
            about["webhookUrl"] = self.outside.webhooks.url_of(user_id)
        user: Row = await self.ask("PUT", f"/users/{user_id}", about)
        if called:
            self.outside.webhooks.secrets[user_id] = user["webhookSecret"]
        return user

    async def book(self, event: Row, user_id: str, quantity: int = 1, *, status: int = 201) -> Row:
        body = {"userId": user_id, "eventId": event["id"], "quantity": quantity}
        booking: Row = await self.ask("POST", "/booking", body, status=status)
        return booking

    async def pay(self, booking: Row, method: str | None = None, *, key: str | None = None) -> tuple[int, Row]:
        status, answer, _ = await self.client.call("POST", "/pay", payment_body(booking, method), key=key)
        return status, answer

    async def pay_raw(self, booking: Row, method: str | None = None, *, key: str) -> Said:
        said = await self.client.try_raw("POST", "/pay", payment_body(booking, method), key=key)
        assert said is not None
        return said

    async def paid(self, event: Row, user_id: str, quantity: int = 1, method: str = "pm_card_visa") -> Row:
        """A booking with its tickets."""
        booking = await self.book(event, user_id, quantity)
        status, answer = await self.pay(booking, method)
        assert status == 200, answer
        assert len(answer["tickets"]) == quantity
        return booking | answer

    async def client_secret(self, booking: Row, method: str | None = None) -> str:
        status, answer = await self.pay(booking, method)
        assert (status, answer["status"]) == (202, "requires_action"), answer
        return str(answer["clientSecret"])

    async def shown(self, booking: Row) -> Row:
        row: Row = await self.ask("GET", f"/booking/{booking['bookingId']}")
        return row

    async def becomes(self, booking: Row, status: str) -> Row:
        async def look() -> Row | None:
            row = await self.shown(booking)
            return row if row["status"] == status else None

        return await until(look, f"booking {booking['bookingId']} is {status}", lambda: self.shown(booking))

    async def kinds_told(self, user_id: str) -> list[str]:
        """The latest first."""
        return [notice["kind"] for notice in await self.ask("GET", f"/users/{user_id}/notifications?limit=100")]

    async def told(self, user_id: str, kind: str, times: int = 1) -> None:
        async def look() -> bool:
            return (await self.kinds_told(user_id)).count(kind) == times

        await until(look, f"{user_id} is told {kind}", lambda: self.kinds_told(user_id))

    async def mailed(self, user_id: str, about: str, count: int = 1) -> list[Taken]:
        """Mails to somebody whose text has `about` in it."""

        def found() -> list[Taken]:
            mails = [each for each in self.outside.mail.taken if each.to == f"{user_id}@people.test"]
            return [each for each in mails if about in each.content]

        await until(_soon(lambda: len(found()) >= count), f"{count} mails to {user_id} about {about}", _soon(found))
        return found()

    async def called(self, who: str, kind: str, count: int = 1) -> list[Taken]:
        """Calls of somebody's webhook about one kind of news."""

        def found() -> list[Taken]:
            calls = [each for each in self.outside.webhooks.taken if each.to == who]
            return [each for each in calls if each.content["type"] == f"booking.{kind}"]

        await until(_soon(lambda: len(found()) >= count), f"{count} calls of {who} about {kind}", _soon(found))
        return found()

    async def nothing_owed(self, *, payments: int = 0, seconds: float = SEEN_WITHIN_SECONDS) -> Row:
        """The outbox, when nothing is under way but so many payments."""

        async def look() -> Row | None:
            outbox: Row = await self.ask("GET", "/outbox")
            totals = outbox["totals"]
            even = totals["payments"] == payments and not totals["refunds"] and not totals["messages"]
            return outbox if even else None

        return await until(look, "nothing is owed", lambda: self.ask("GET", "/outbox"), seconds)


def payment_body(booking: Row, method: str | None) -> Row:
    body = {name: booking[name] for name in ("userId", "eventId", "bookingId", "amount")}
    return body if method is None else body | {"paymentMethod": method}


def _soon(look: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def looked() -> Any:
        return look()

    return looked


async def until(
    look: Callable[[], Awaitable[Any]],
    what: str,
    otherwise: Callable[[], Awaitable[Any]] | None = None,
    seconds: float = SEEN_WITHIN_SECONDS,
) -> Any:
    """What `look` finds, once it finds something; `otherwise` says what there is instead."""
    given_up_at = time.monotonic() + seconds
    while not (found := await look()):
        if time.monotonic() > given_up_at:
            instead = "" if otherwise is None else f", but {await otherwise()}"
            raise AssertionError(f"not so in {seconds:g} s: {what}{instead}")
        await asyncio.sleep(LOOKED_AT_SECONDS)
    return found


class Stream:
    """Live updates of one user, as a browser's EventSource reads them."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.last_id = ""

    async def next(self, seconds: float = 10.0) -> Row:
        """The next event's data; comments and bare ids are passed over. Raises EOFError at the end."""
        async with asyncio.timeout(seconds):
            data: list[str] = []
            while line := await self._response.content.readline():
                name, _, value = line.decode().rstrip("\n").partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    self.last_id = value
                elif name == "data":
                    data.append(value)
                elif not name and not value and data:
                    found: Row = json.loads("\n".join(data))
                    return found
        raise EOFError

    async def ended(self) -> None:
        """Whatever is on its way is read; raises as `next` does."""
        while True:
            await self.next()

    async def begun(self) -> Self:
        """Its first words have come: whatever follows now is sent."""
        async with asyncio.timeout(10):
            while (await self._response.content.readline()).strip():
                pass
        return self


@asynccontextmanager
async def stream(url: str, user_id: str, last_id: str | None = None) -> AsyncIterator[Stream]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/users/{user_id}/stream", headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        yield Stream(response)


__all__ = ["BoxOffice", "Row", "Stream", "new_key", "payment_body", "stream", "until"]
