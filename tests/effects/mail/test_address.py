"""Where mail goes is read once, at the start, and what is wrong with it is said without telling the password."""

import pytest

from onsale.effects.mail.address import Mailbox, SmtpServer, check_mail, parse_address, parse_sender, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.test", SmtpServer("mail.test", 25, None, "", tls=False, starttls=None)),
        ("smtp://u:p@mail.test", SmtpServer("mail.test", 587, "u", "p", tls=False, starttls=None)),
        ("smtps://u:p@mail.test/", SmtpServer("mail.test", 465, "u", "p", tls=True, starttls=None)),
        ("smtp://u%40x:p%2Fq%3A@[::1]:2525", SmtpServer("::1", 2525, "u@x", "p/q:", tls=False, starttls=None)),
        ("smtp://mail.test?starttls=required", SmtpServer("mail.test", 25, None, "", tls=False, starttls=True)),
        ("smtp://mail.test?starttls=never", SmtpServer("mail.test", 25, None, "", tls=False, starttls=False)),
        ("smtp://bücher.test", SmtpServer("xn--bcher-kva.test", 25, None, "", tls=False, starttls=None)),
    ],
)
def test_a_url_says_where_the_server_is(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server
    assert "p/q" not in repr(parse_smtp_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.test",
        "http://mail.test",
        "smtp://",
        "smtp://user:secret@",
        "smtp://user@mail.test",
        "smtp://:secret@mail.test",
        "smtp://user:secret@mail.test:0",
        "smtp://user:secret@mail.test:99999",
        "smtp://user:secret/x@mail.test",
        "smtp://user:secret#x@mail.test",
        "smtp://user:secret@mail test",
        "smtp://user:secret@mail.test\r\n",
        "smtp://user:secret@mail_.test",
        "smtp://user:secret@[::1",
        "smtp://user:secret@mail.test/inbox",
        "smtp://user:secret@mail.test?starttls=maybe",
        "smtp://user:secret@mail.test?secret=1",
        "smtp://user:secret@mail.test?secret",
        "smtps://user:secret@mail.test?starttls=required",
    ],
)
def test_what_is_no_url_of_a_mail_server_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="ONSALE_SMTP_URL") as refused:
        parse_smtp_url(url)
    assert "secret" not in str(refused.value)
    assert "smtp://user:password@" in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_sender_is_an_address_with_or_without_a_name() -> None:
    assert parse_sender("tickets@example.org") == Mailbox("tickets", "example.org")
    assert parse_sender("Tickets & Co <tickets@bücher.example>").domain == "xn--bcher-kva.example"
    assert parse_sender('"Tickets, Berlin" <t@example.org>').name == "Tickets, Berlin"
    for wrong in ("", "tickets", "ü@example.org", "a b@example.org", "a@b@c", "<>"):
        with pytest.raises(ValueError, match="ONSALE_MAIL_FROM"):
            parse_sender(wrong)


@pytest.mark.parametrize(
    "address", ["ada+tag@example.org", "o'brien@example.org", "a.b-c_d@localhost", "ada@EXAMPLE.org"]
)
def test_ordinary_addresses_stay_as_they_are(address: str) -> None:
    assert parse_address(address).address == address


def test_letters_beyond_ascii_are_translated_where_that_is_possible() -> None:
    assert parse_address("ada@straße.example").domain == "xn--strae-oqa.example"  # never strasse.example: another's
    assert not parse_address("ada@straße.example").international
    assert parse_address("çelik@example.org").international


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example..org",
        "ada@-example.org",
        "ada@[127.0.0.1]",
        "ada..b@example.org",
        ".ada@example.org",
        "a b@example.org",
        "ada@example.org\r\nBcc: all@example.org",
        "ada\r\nRCPT TO:<x@y>@example.org",
        "ada>@example.org",
        "ada\0@example.org",
        "ada\u2028@example.org",
        "a" * 65 + "@example.org",
        "ü" * 33 + "@example.org",
        "ada@" + "a" * 64 + ".org",
        "ada@" + "a." * 130 + "org",
        "ada,bob@example.org",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no e-mail address") as refused:
        parse_address(address)
    assert str(refused.value).isprintable()


def test_faults_are_told_at_the_start() -> None:
    assert check_mail("smtp://mail.test", "tickets@example.org") is None
    assert "ONSALE_SMTP_URL" in (check_mail("mail.test", "tickets@example.org") or "")
    assert "ONSALE_MAIL_FROM" in (check_mail("smtp://mail.test", "") or "")
    assert "ONSALE_MAIL_FROM" in (check_mail("smtp://mail.test", "nobody") or "")
