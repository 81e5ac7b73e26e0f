"""Mail reaches a real server, and what the server says of it is told apart: this one message, or everything."""

import asyncio
import contextlib
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onsale.effects.mail import sender as sender_module
from onsale.effects.mail.sender import DROPS_MAX, MAILS_PER_CONNECTION_MAX, MailSender
from onsale.effects.orders import NotSent, Sent
from onsale.effects.provider import ProviderUnavailable
from onsale.effects.settings import OutsideSettings
from onsale.tests.effects.mail.mail_server import MailServer, a_mail, mail_server, raw_server, tickets
from onsale.tests.effects.mail.pictures import read_png


def sender_to(
    port: int, *, login: str = "", query: str = "", scheme: str = "smtp", host: str = "127.0.0.1"
) -> MailSender:
    return MailSender(
        OutsideSettings(smtp_url=f"{scheme}://{login}{host}:{port}{query}", mail_from="Onsale <tickets@example.org>")
    )


@contextlib.asynccontextmanager
async def both(**options: Any) -> Any:
    async with mail_server(**options) as server:
        sender = sender_to(server.port)
        yield server, sender
        await sender.close()


async def unavailable(sender: MailSender) -> ProviderUnavailable:
    with pytest.raises(ProviderUnavailable) as raised:
        await sender.send(a_mail())
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400
    return raised.value


async def test_a_mail_arrives_with_its_tickets() -> None:
    async with both() as (server, sender):
        assert await sender.send(a_mail(kind="confirmed", tickets=tickets(2))) == Sent()
        (envelope,) = server.received
        assert envelope.mail_from == "tickets@example.org"
        assert envelope.rcpt_tos == ["ada@example.com"]
        (message,) = server.messages
        assert message["Subject"] == "Your tickets for Concert"
        attached = [read_png(each.get_content()) for each in message.iter_attachments()]
        assert attached == [[each.code] for each in tickets(2)]


async def test_a_line_that_begins_with_a_dot_stays_whole() -> None:
    async with both() as (server, sender):
        assert await sender.send(a_mail(sentence=". . .", event_name=".", name=".\r\n.")) == Sent()
        body = server.messages[0].get_body(("plain",))
        assert "\r\n. . .\r\n" in body.get_content()


async def test_a_connection_is_used_again_and_let_go_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with both() as (server, sender):
        for _ in range(3):
            assert await sender.send(a_mail()) == Sent()
        assert server.connections == 1
        monkeypatch.setattr(sender_module, "IDLE_SECONDS_MAX", 0.01)
        assert await sender.send(a_mail()) == Sent()
        await server.client_leaves()
        assert await sender.send(a_mail()) == Sent()
        assert server.connections == 2


async def test_a_connection_is_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAILS_PER_CONNECTION_MAX <= 100
    monkeypatch.setattr(sender_module, "MAILS_PER_CONNECTION_MAX", 2)
    async with both() as (server, sender):
        for _ in range(5):
            assert await sender.send(a_mail()) == Sent()
        assert server.connections == 3


async def test_many_at_once_take_some_connections() -> None:
    async with both() as (server, sender):
        answers = await asyncio.gather(*(sender.send(a_mail(booking_id=number)) for number in range(30)))
        assert answers == [Sent()] * 30
        assert len(server.received) == 30
        assert server.connections <= sender_module.CONNECTIONS_MAX


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_that_is_dropped_is_replaced_once(command: str) -> None:
    async with both() as (server, sender):
        assert await sender.send(a_mail()) == Sent()
        server.answers[command] = [None]
        assert await sender.send(a_mail(message_id="again@example.org")) == Sent()
        assert server.connections == 2
        assert server.messages[-1]["Message-ID"] == "<again@example.org>"


async def test_a_connection_the_server_closed_meanwhile_is_replaced() -> None:
    async with both() as (server, sender):
        assert await sender.send(a_mail()) == Sent()
        server.hang_up()
        assert await sender.send(a_mail()) == Sent()
        server.answers["MAIL"] = ["421 4.4.2 idle for too long"]
        assert await sender.send(a_mail()) == Sent()
        assert len(server.received) == 3


async def test_a_message_that_the_server_never_gets_to_the_end_of_harms_no_other() -> None:
    async with both() as (server, sender):
        server.answers["DATA"] = [None, None]
        assert not (await unavailable(sender)).down
        assert await sender.send(a_mail()) == Sent()
        server.answers["DATA"] = [None] * 2 * DROPS_MAX
        told = [(await unavailable(sender)).down for _ in range(DROPS_MAX)]
        assert told == [False] * (DROPS_MAX - 1) + [True]
        assert await sender.send(a_mail()) == Sent()


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_refusal_is_an_answer_about_this_message(command: str) -> None:
    async with both() as (server, sender):
        server.answers[command] = ["451 4.7.1 Greylisted, try again later", "550 5.1.1 No such user here"]
        later = await sender.send(a_mail())
        assert isinstance(later, NotSent)
        assert not later.for_good
        assert "451 4.7.1 Greylisted" in later.failure
        never = await sender.send(a_mail())
        assert isinstance(never, NotSent)
        assert never.for_good
        assert "550 5.1.1 No such user here" in never.failure
        assert await sender.send(a_mail()) == Sent()
        assert server.connections == 1


async def test_a_message_that_is_too_large_is_refused_for_good() -> None:
    async with both(data_size_limit=1000) as (_server, sender):
        answer = await sender.send(a_mail())
        assert isinstance(answer, NotSent)
        assert answer.for_good
        assert "552" in answer.failure


async def test_what_the_server_says_of_everything_is_no_answer() -> None:
    async with both() as (server, sender):
        server.answers["MAIL"] = ["550 5.7.1 not from you", "451 4.3.2 busy", "530 5.7.0 login first", "299 what?"]
        for expected in ("ONSALE_MAIL_FROM", "takes no mail now", "wants a login", "nonsense"):
            error = await unavailable(sender)
            assert error.down
            assert expected in str(error)
        server.answers["RCPT"] = ["530 5.7.0 login first"]
        assert "wants a login" in str(await unavailable(sender))
        assert await sender.send(a_mail()) == Sent()


async def test_an_address_that_is_none_is_not_tried() -> None:
    async with both() as (server, sender):
        answer = await sender.send(a_mail(to="ada@example.org>\r\nRCPT TO:<bob@example.org"))
        assert isinstance(answer, NotSent)
        assert answer.for_good
        assert not server.connections


async def test_an_international_address_needs_a_server_that_knows_it() -> None:
    async with both(enable_SMTPUTF8=True) as (server, sender):
        assert await sender.send(a_mail(to="çelik@bücher.example")) == Sent()
        assert server.received[0].rcpt_tos == ["çelik@xn--bcher-kva.example"]
        assert "SMTPUTF8" in server.received[0].mail_options
        assert await sender.send(a_mail(to="ada@bücher.example")) == Sent()
        assert "SMTPUTF8" not in server.received[1].mail_options
    async with both(enable_SMTPUTF8=False) as (server, sender):
        answer = await sender.send(a_mail(to="çelik@bücher.example"))
        assert isinstance(answer, NotSent)
        assert answer.for_good
        assert await sender.send(a_mail(to="ada@bücher.example")) == Sent()


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # the test server's advice
async def test_a_login_is_made_and_its_refusal_told_to_the_operator() -> None:
    async with mail_server(login=True) as server:
        sender = sender_to(server.port, login="on%40sale:p%40ss%2Fword@")
        assert await sender.send(a_mail()) == Sent()
        assert server.logins == [(b"on@sale", b"p@ss/word")]
        await sender.close()
        for login, expected in (("onsale:wrong@", "refuses the login"), ("", "wants a login")):
            sender = sender_to(server.port, login=login)
            error = await unavailable(sender)
            assert error.down
            assert expected in str(error)
            assert "wrong" not in str(error)
            await sender.close()
    async with mail_server() as server:
        sender = sender_to(server.port, login="onsale:secret@")
        assert "AUTH" in str(await unavailable(sender))


async def test_a_server_that_is_not_there_is_down() -> None:
    async with mail_server() as server:
        port = server.port
    error = await unavailable(sender_to(port))
    assert error.down
    assert f"127.0.0.1:{port}" in str(error)


async def test_without_a_server_nothing_is_sent() -> None:
    error = await unavailable(MailSender(OutsideSettings()))
    assert error.down
    assert "ONSALE_SMTP_URL" in str(error)
    with pytest.raises(ValueError, match="ONSALE_SMTP_URL"):
        MailSender(OutsideSettings(smtp_url="nonsense"))


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 no\r\n", b"220 ok\r\n999 ?\r\n", b"\xff\xfe\r\n", b""]
)
async def test_a_server_that_talks_nonsense_is_down(greeting: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        if greeting:
            await reader.readline()

    async with raw_server(talk) as port:
        assert (await unavailable(sender_to(port))).down


async def test_a_server_that_says_nothing_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "ANSWER_SECONDS_MAX", 0.1)
    done = asyncio.Event()

    async def talk(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await done.wait()

    async with raw_server(talk) as port:
        begun = time.monotonic()
        error = await unavailable(sender_to(port))
        assert error.down
        assert "does not answer" in str(error)
        assert time.monotonic() - begun < 5
        monkeypatch.setattr(sender_module, "ANSWER_SECONDS_MAX", 60)
        monkeypatch.setattr(sender_module, "SEND_SECONDS_MAX", 0.1)
        assert "does not answer" in str(await unavailable(sender_to(port)))
        done.set()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's, for localhost alone, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC).replace(tzinfo=None)  # as the library wants it here
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


async def sent_to(server: MailServer, query: str, host: str = "localhost") -> Sent | NotSent:
    sender = sender_to(server.port, query=query, host=host)
    try:
        return await sender.send(a_mail())
    finally:
        await sender.close()


async def test_a_connection_is_encrypted_where_that_is_offered(certificate: ssl.SSLContext) -> None:
    async with mail_server(tls_context=certificate) as server:
        for query, encrypted in (("", True), ("?starttls=required", True), ("?starttls=never", False)):
            assert await sent_to(server, query) == Sent()
            assert server.starttls_used is encrypted
        with pytest.raises(ProviderUnavailable, match="certificate"):
            await sent_to(server, "", "127.0.0.1")  # it is no certificate for this name
    async with mail_server() as server:
        assert await sent_to(server, "") == Sent()
        with pytest.raises(ProviderUnavailable, match=r"(?i)starttls"):
            await sent_to(server, "?starttls=required")
