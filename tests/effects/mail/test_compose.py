"""What a message says reaches whoever reads it, in every client, whatever people and events are called."""

import re
import time
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any

import pytest

from onsale.effects.mail.address import Mailbox, parse_address, parse_sender
from onsale.effects.mail.compose import compose
from onsale.effects.mail.words import SUBJECTS, TICKETS_PICTURED_MAX
from onsale.engine.notices import KINDS
from onsale.tests.effects.mail.mail_server import a_mail, parse, tickets
from onsale.tests.effects.mail.pictures import read_png

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SENDER = Mailbox("tickets", "example.org", "Onsale")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"]


def made(public_url: str = "", sender: Mailbox = SENDER, **changes: Any) -> tuple[bytes, EmailMessage]:
    mail = a_mail(**changes)
    content = compose(mail, sender, parse_address(mail.to), public_url=public_url, now=NOW)
    return content, parse(content)


def mailbox(content: bytes, header: str) -> tuple[str, str]:
    """The one name and address; not as the newer policies read them, which put spaces between encoded words."""
    ((name, address),) = getaddresses([message_from_bytes(content)[header].replace("\r\n", "")])
    return str(make_header(decode_header(name))), address


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    content = found.get_content()
    assert isinstance(content, str)
    return content


class Page(HTMLParser):
    """What a reader sees of a page, and what it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attributes if name in ("src", "href", "background")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_message_has_its_headers_and_says_it_twice() -> None:
    _, message = made(public_url="https://tickets.example.org")
    assert message["From"] == "Onsale <tickets@example.org>"
    assert message["To"] == "Ada Lovelace <ada@example.com>"
    assert message["Subject"] == "Your money back for Concert"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<onsale.0123abcd.7@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    page = Page(part(message, "html"))
    for text in (part(message, "plain"), page.text):
        assert "Hello Ada Lovelace," in text
        assert '20.00 EUR for "Concert" have been given back to you.' in text
        assert "Sunday, 22 November 2026, 20:00 UTC" in text
        assert "Waldbühne, Berlin" in text
        assert "Given back" in text
    assert "https://tickets.example.org/booking/9" in part(message, "plain")
    assert page.loads == ["https://tickets.example.org/booking/9"]
    assert "://" not in part(made()[1], "plain")


def test_a_hold_says_until_when_and_how_long_that_is() -> None:
    _, message = made(kind="your_turn", expires_at="2026-11-22T19:05:00.000Z")
    text = part(message, "plain")
    assert "Held until: Sunday, 22 November 2026, 19:05 UTC (5 minutes from when this was sent)" in text
    assert "To pay: 20.00 EUR" in text
    assert message["Subject"] == "It is your turn: tickets for Concert"
    assert "from when" not in part(made(expires_at="2026-11-22T18:05:00.000Z")[1], "plain")
    assert "(2 h 1 min from" in part(made(expires_at="2026-11-22T21:01:59.000Z")[1], "plain")


def test_every_kind_that_is_mailed_has_a_subject_of_its_own() -> None:
    assert set(SUBJECTS) == {name for name, kind in KINDS.items() if kind.mailed}
    assert len(set(SUBJECTS.values())) == len(SUBJECTS)


def test_tickets_are_attached_and_shown_and_read_as_their_codes() -> None:
    two = tickets(2)
    _, message = made(kind="confirmed", tickets=two)
    assert message.get_content_type() == "multipart/mixed"
    attached = list(message.iter_attachments())
    assert [each.get_filename() for each in attached] == ["ticket-1.png", "ticket-2.png"]
    assert [read_png(each.get_content()) for each in attached] == [[each.code] for each in two]
    page = Page(part(message, "html"))
    inline = {each["Content-ID"]: each for each in message.walk() if each["Content-ID"]}
    assert [f"<{each.removeprefix('cid:')}>" for each in page.loads] == list(inline)  # nothing else is loaded
    assert [read_png(each.get_content()) for each in inline.values()] == [[each.code] for each in two]
    assert all(each.get_content_disposition() == "inline" for each in inline.values())
    for text in (part(message, "plain"), page.text):
        assert all(each.code in text and f"Ticket {each.number}" in text for each in two)
        assert "Standing" in text
        assert "each lets one person in" in text


def test_very_many_tickets_stand_in_the_message_and_some_have_pictures() -> None:
    many = tickets(TICKETS_PICTURED_MAX + 3)
    content, message = made(kind="confirmed", tickets=many)
    assert len(list(message.iter_attachments())) == TICKETS_PICTURED_MAX
    assert all(each.code in part(message, "plain") and each.code in part(message, "html") for each in many)
    assert "the first 50 codes" in part(message, "plain")
    assert len(content) < 500_000


EVIL = 'Concert\r\nBcc: all@example.org\r\n\r\n<script>alert("x")</script>\u2028\u202etxt\0'


def test_no_name_can_add_a_header_or_a_tag() -> None:
    content, message = made(
        name=f"Ada{EVIL}", event_name=EVIL, event_where=EVIL, sentence=EVIL, amount=EVIL, kind="confirmed",
        tickets=(tickets(1)[0].__class__("CODE", 1, EVIL),),
    )  # fmt: skip
    assert message.keys() == HEADERS
    assert message["Bcc"] is None
    assert message["To"].addresses[0].addr_spec == "ada@example.com"
    assert len(message["To"].addresses) == 1
    assert "<script>" in message["Subject"]
    assert "script" not in Page(part(message, "html")).tags
    assert not re.search(rb"^bcc:", content.partition(b"\r\n\r\n")[0], re.IGNORECASE | re.MULTILINE)
    assert "\u202e" not in part(message, "plain")
    assert "Bcc" not in {line.partition(":")[0] for line in part(message, "plain").splitlines()}


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        'Ada "the Countess" Lovelace, <ada@evil.example>',
        "back\\slash",
        "Žofie Příliš-Žluťoučký, Kůň",
        "王" * 200,
        "a" * 200,
        "👩‍🎤 " * 50,
        "=?utf-8?q?not_encoded?=",
        "comma, " * 28,
        "ö, <x@y.z>; " * 15,
    ],
)
def test_any_name_comes_through_as_it_is(name: str) -> None:
    name = name.strip()
    content, message = made(name=name, event_name=name, sender=Mailbox("tickets", "example.org", name))
    assert mailbox(content, "To") == (name, "ada@example.com")
    assert mailbox(content, "From") == (name, "tickets@example.org")
    assert message["Subject"] == f"Your money back for {name}"
    assert part(message, "plain").startswith(f"Hello {name},")
    assert max(map(len, content.split(b"\r\n"))) <= 998  # RFC 5322
    assert content.isascii()


def test_lines_end_as_mail_wants_it() -> None:
    content, _ = made(kind="confirmed", tickets=tickets(1), sentence="x" * 3000)
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998


def test_nobody_is_called_nothing() -> None:
    _, message = made(name=None)
    assert message["To"] == "ada@example.com"
    assert part(message, "plain").startswith("Hello,")
    assert made(name="\r\n\t")[1]["To"] == "ada@example.com"


def test_an_international_address_stands_as_it_is() -> None:
    content = compose(a_mail(name="Çelik"), SENDER, parse_address("çelik@bücher.example"), public_url="", now=NOW)
    assert "\r\n <çelik@xn--bcher-kva.example>\r\n".encode() in content


def test_a_domain_of_the_senders_beyond_ascii_makes_no_id_that_is() -> None:
    sender = parse_sender("t@bücher.example")
    _, message = made(sender=sender, message_id="onsale.0123abcd.7@bücher.example")
    assert message["Message-ID"] == "<onsale.0123abcd.7@xn--bcher-kva.example>"


def test_composing_is_quick() -> None:
    made(kind="confirmed", tickets=tickets(2))
    begun = time.perf_counter()
    made(kind="confirmed", tickets=tickets(2))
    assert time.perf_counter() - begun < 0.5
