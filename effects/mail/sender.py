"""Hands mail to the SMTP server, and says what came of each.

Owns the connections: some at once, kept for a few seconds and used again. It tells three things apart. The server
takes or refuses this one message: that is an answer. It can't be asked, or refuses everything (no connection, the
login, the sender): ProviderUnavailable, and others need not be tried either. It hangs up in the middle of this one,
twice: ProviderUnavailable for this one, until that happens to several in a row. A message may then arrive twice, under
the same Message-ID.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from ..orders import Mail, NotSent, Sent
from ..provider import ProviderUnavailable
from ..settings import OutsideSettings
from .address import Mailbox, SmtpServer, parse_address, parse_sender, parse_smtp_url
from .compose import compose
from .text import one_line

log = logging.getLogger("onsale.mail")

CONNECTIONS_MAX: Final = 6
IDLE_SECONDS_MAX: Final = 10.0  # of a connection that is kept
MAILS_PER_CONNECTION_MAX: Final = 100  # as many servers have it
ANSWER_SECONDS_MAX: Final = 15.0  # of the server, to one command
SEND_SECONDS_MAX: Final = 40.0  # for a message in all
DROPS_MAX: Final = 3  # messages in a row in whose middle the server hung up: it is not the messages
_FAILURE_CHARACTERS_MAX: Final = 250

_CLOSING: Final = 421  # whatever was asked, the server is about to hang up
_TOO_LARGE: Final = 552
_LOGIN_FIRST: Final = (530, 535, 538)


class _Dropped(Exception):
    """The server hung up in the middle of a message."""


class _Connection:
    """Logged in, and used for one message at a time."""

    def __init__(self, client: SMTP) -> None:
        self.client = client
        self.mails = 0
        self.expires: asyncio.TimerHandle | None = None  # while nobody uses it


class MailSender:
    def __init__(self, settings: OutsideSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises ValueError with a sentence when the settings say something that can't be used."""
        self._server: SmtpServer | None = None
        if settings.smtp_url:
            self._server = parse_smtp_url(settings.smtp_url)
            self._sender = parse_sender(settings.mail_from)
        self._public_url = settings.public_url
        self._now = now
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[_Connection] = []
        self._leaving: set[asyncio.Task[None]] = set()
        # One thread, so that drawing tickets takes no more than its share from whatever else this process does.
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._drops = 0

    async def send(self, mail: Mail) -> Sent | NotSent:
        """Raises ProviderUnavailable."""
        if self._server is None:
            raise ProviderUnavailable("No mail server is configured: set ONSALE_SMTP_URL and ONSALE_MAIL_FROM.")
        try:
            to = parse_address(mail.to)
        except ValueError as error:
            return NotSent(str(error), for_good=True)
        message = await self._compose(mail, to)
        async with self._room:
            try:
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    return await self._send(self._server, message, to)
            except TimeoutError:
                raise _silent(self._server) from None

    async def close(self) -> None:
        """Take leave of the server. Nothing is being sent any more."""
        while self._idle:
            self._leave(self._idle.pop())
        await asyncio.gather(*self._leaving, return_exceptions=True)
        self._drawing.shutdown(wait=False)

    async def _compose(self, mail: Mail, to: Mailbox) -> bytes:
        now = self._now()
        if not mail.tickets:  # quick: what is urgent waits for nobody's pictures
            return compose(mail, self._sender, to, public_url=self._public_url, now=now)
        return await asyncio.get_running_loop().run_in_executor(
            self._drawing, lambda: compose(mail, self._sender, to, public_url=self._public_url, now=now)
        )

    async def _send(self, server: SmtpServer, message: bytes, to: Mailbox) -> Sent | NotSent:
        """Over a connection that is there, if there is one; when the server has hung up on it, over a new one."""
        connection = self._take() or await self._connect(server)
        try:
            answer = await self._hand_over(connection, message, to)
        except _Dropped:
            connection = await self._connect(server)
            try:
                answer = await self._hand_over(connection, message, to)
            except _Dropped as error:
                self._drops += 1
                raise ProviderUnavailable(
                    f"The mail server hung up in the middle of a message: {error}", down=self._drops >= DROPS_MAX
                ) from error
        self._drops = 0
        self._keep(connection)
        return answer

    async def _hand_over(self, connection: _Connection, message: bytes, to: Mailbox) -> Sent | NotSent:
        """The connection is of use afterwards, unless it raises: _Dropped or ProviderUnavailable."""
        client = connection.client
        connection.mails += 1
        try:
            answer = await _transact(client, self._sender, to, message)
        except (SMTPServerDisconnected, ConnectionError) as error:
            client.close()
            raise _Dropped(one_line(str(error), _FAILURE_CHARACTERS_MAX)) from error
        except SMTPTimeoutError as error:
            client.close()
            raise _silent(self._server) from error
        except SMTPResponseException as error:
            client.close()
            if error.code == _CLOSING:
                raise _Dropped(_said(error)) from error
            raise _unavailable(error) from error
        except BaseException:
            client.close()
            raise
        if isinstance(answer, NotSent):
            try:
                await client.rset()
            except (SMTPException, OSError):
                client.close()  # the answer counts all the same
        return answer

    async def _connect(self, server: SmtpServer) -> _Connection:
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password if server.user is not None else None,
            local_hostname=self._sender.domain,
            timeout=ANSWER_SECONDS_MAX,
            use_tls=server.tls,
            start_tls=server.starttls,
        )
        try:
            await client.connect()
        except SMTPAuthenticationError as error:
            raise ProviderUnavailable(
                f"The mail server refuses the login ({_said(error)}): check the user name and the password in "
                "ONSALE_SMTP_URL."
            ) from error
        except SMTPTimeoutError as error:
            raise _silent(server) from error
        except (SMTPException, OSError, ValueError) as error:
            why = _said(error) if isinstance(error, SMTPResponseException) else str(error)
            raise ProviderUnavailable(
                f"The mail server {server.host}:{server.port} can't be used: {one_line(why, _FAILURE_CHARACTERS_MAX)}"
            ) from error
        return _Connection(client)

    # --- connections that nobody uses now

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            assert connection.expires is not None
            connection.expires.cancel()
            if connection.client.is_connected:
                return connection
        return None

    def _keep(self, connection: _Connection) -> None:
        if connection.mails >= MAILS_PER_CONNECTION_MAX:
            self._leave(connection)
            return
        self._idle.append(connection)
        connection.expires = asyncio.get_running_loop().call_later(IDLE_SECONDS_MAX, self._expire, connection)

    def _expire(self, connection: _Connection) -> None:
        self._idle.remove(connection)
        self._leave(connection)

    def _leave(self, connection: _Connection) -> None:
        if connection.expires is not None:
            connection.expires.cancel()
        task = asyncio.get_running_loop().create_task(_quit(connection.client))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _transact(client: SMTP, sender: Mailbox, to: Mailbox, message: bytes) -> Sent | NotSent:
    """One message, from MAIL to the end of its data. Raises what is not about this message alone."""
    options, encoding = [], "ascii"
    if to.international:
        if not client.supports_extension("smtputf8"):
            return NotSent("The mail server takes no addresses with letters beyond ASCII before the @.", for_good=True)
        options, encoding = ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"
    if client.supports_extension("size"):
        options.append(f"SIZE={len(message)}")
    try:
        await client.mail(sender.address, options=options, encoding=encoding)
        await client.rcpt(to.address, encoding=encoding)
        await client.data(message)
    except SMTPSenderRefused as error:
        if error.code != _TOO_LARGE:
            raise
        return NotSent(f"The mail server refuses the message: {_said(error)}", for_good=True)
    except (SMTPRecipientRefused, SMTPDataError) as error:
        if not 400 <= error.code < 600 or error.code == _CLOSING or error.code in _LOGIN_FIRST:
            raise
        what = "the address" if isinstance(error, SMTPRecipientRefused) else "the message"
        later = error.code < 500
        verb = "does not take" if later else "refuses"
        return NotSent(f"The mail server {verb} {what}: {_said(error)}", for_good=not later)
    return Sent()


async def _quit(client: SMTP) -> None:
    with contextlib.suppress(SMTPException, OSError):
        await client.quit(timeout=1.0)
    client.close()


def _said(error: SMTPResponseException) -> str:
    return one_line(f"{error.code} {error.message}", _FAILURE_CHARACTERS_MAX)


def _silent(server: SmtpServer | None) -> ProviderUnavailable:
    where = "" if server is None else f" {server.host}:{server.port}"
    return ProviderUnavailable(f"The mail server{where} does not answer in time.")


def _unavailable(error: SMTPResponseException) -> ProviderUnavailable:
    """It is not about the message: what an operator reads of it."""
    if error.code in _LOGIN_FIRST:
        why = "wants a login first: put the user name and the password into ONSALE_SMTP_URL"
    elif isinstance(error, SMTPSenderRefused) and error.code >= 500:
        why = "refuses the sender: check ONSALE_MAIL_FROM"
    elif 400 <= error.code < 500:
        why = "takes no mail now"
    else:
        why = "answers nonsense: check that ONSALE_SMTP_URL leads to a mail server"
    return ProviderUnavailable(f"The mail server {why} ({_said(error)}).")
