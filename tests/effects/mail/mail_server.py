"""A real mail server on 127.0.0.1, which refuses what it is told to; and mails to send to it."""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from onsale.effects.orders import Mail, Ticket

CODE = "AEAAAAAAA4AAAAAAAAEQAAJ2MZ7Q" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 3 + "Q"


def a_mail(**changes: Any) -> Mail:
    values: dict[str, Any] = {
        "message_id": "onsale.0123abcd.7@example.org",
        "to": "ada@example.com",
        "name": "Ada Lovelace",
        "kind": "refunded",
        "sentence": '20.00 EUR for "Concert" have been given back to you.',
        "event_name": "Concert",
        "event_where": "Waldbühne, Berlin",
        "starts_at": "2026-11-22T20:00:00.000Z",
        "booking_id": 9,
        "amount": "20.00 EUR",
    }
    return Mail(**(values | changes))


def tickets(count: int) -> tuple[Ticket, ...]:
    return tuple(Ticket(f"{CODE}{number:03d}", number, "Standing") for number in range(1, count + 1))


def parse(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


class MailServer:
    """`answers`: by command, what to say next instead of taking it: a text, or None to hang up."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.port = 0
        self.connections = 0
        self.answers: dict[str, list[str | None]] = {}
        self.logins: list[tuple[bytes, bytes]] = []
        self.starttls_used = False
        self.sessions: list[SMTP] = []
        self.quits = asyncio.Semaphore(0)

    @property
    def messages(self) -> list[EmailMessage]:
        return [parse(_content(envelope)) for envelope in self.received]

    def next_answer(self, command: str, server: SMTP) -> str | None:
        """What to say instead of the usual; hangs up first where that is wanted."""
        waiting = self.answers.get(command)
        if not waiting:
            return None
        answer = waiting.pop(0)
        if answer is None:
            assert server.transport is not None
            server.transport.abort()
            return "421 bye"
        return answer

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.next_answer("MAIL", server):
            return answer
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _s: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if answer := self.next_answer("RCPT", server):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if answer := self.next_answer("DATA", server):
            return answer
        self.starttls_used = session.ssl is not None
        self.received.append(envelope)
        return "250 taken"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss/word", handled=False)

    async def client_leaves(self) -> None:
        """A client has said that it goes."""
        await asyncio.wait_for(self.quits.acquire(), 5)

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        self.quits.release()
        return "221 bye"

    def hang_up(self) -> None:
        """On every connection."""
        for each in self.sessions:
            if each.transport is not None:
                each.transport.abort()


def _content(envelope: Envelope) -> bytes:
    content = envelope.original_content
    assert isinstance(content, bytes)
    return content


@asynccontextmanager
async def mail_server(**options: Any) -> AsyncIterator[MailServer]:
    """`options` are those of aiosmtpd's SMTP; `login=True` wants one."""
    server = MailServer()
    if options.pop("login", False):
        options |= {"authenticator": server.authenticate, "auth_required": True, "auth_require_tls": False}

    def connected() -> SMTP:
        server.connections += 1
        session = SMTP(server, hostname="mail.test", loop=asyncio.get_running_loop(), **options)
        server.sessions.append(session)
        return session

    listener = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.hang_up()
        await listener.wait_closed()
        await asyncio.sleep(0)


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Its port: a server that says whatever `talk` does."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with contextlib.suppress(OSError):
            await talk(reader, writer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await listener.wait_closed()
        await asyncio.gather(*talks)
