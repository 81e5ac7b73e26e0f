"""Where mail goes: the server's URL, the sender, and people's addresses.

Owns how these are read and what is refused of them. What it says of a fault never repeats the URL, which holds a
password.
"""

import re
from email.utils import parseaddr
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import idna

from .text import one_line

_ADDRESS_OCTETS_MAX: Final = 254  # RFC 5321
_LOCAL_OCTETS_MAX: Final = 64
_DOMAIN_OCTETS_MAX: Final = 253

_LOCAL = re.compile(r"[^\s()<>\[\]:;@\\,.\"]+(?:\.[^\s()<>\[\]:;@\\,.\"]+)*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_STARTTLS: Final[dict[str, bool | None]] = {"required": True, "offered": None, "never": False}
_LIKE: Final = "write it like smtp://user:password@mail.example.org:587 or smtps://user:password@mail.example.org"


class SmtpServer(NamedTuple):
    host: str
    port: int
    user: str | None
    password: str
    tls: bool  # from the first byte
    starttls: bool | None  # None: when it is offered

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


class Mailbox(NamedTuple):
    """An address in the form that goes over the wire: only `local` may hold letters beyond ASCII."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def international(self) -> bool:
        """Whether only servers that know SMTPUTF8 can take it."""
        return not self.local.isascii()


def parse_smtp_url(url: str) -> SmtpServer:
    """`smtp://` or `smtps://user:password@host:port`, with `?starttls=required|offered|never`.

    Raises ValueError with a sentence.
    """
    if not url.isprintable() or " " in url:
        raise _bad_url("it holds a space or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its own words would repeat a part of the URL
        raise _bad_url("its host or port can't be read") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise _bad_url("it begins neither with smtp:// nor with smtps://")
    if parts.path not in ("", "/") or parts.fragment:
        raise _bad_url("something stands behind the host")
    if not parts.hostname:
        raise _bad_url("it names no host")
    if port == 0:
        raise _bad_url("its port is not one of 1 to 65535")
    if (parts.username is None) != (parts.password is None) or parts.username == "":
        raise _bad_url("it has a user name or a password, and not both")
    host = parts.hostname if ":" in parts.hostname else _domain(parts.hostname)
    if host is None:
        raise _bad_url("its host is no name of a host")
    tls = parts.scheme == "smtps"
    starttls = _starttls(parts.query, tls=tls)
    if port is None:
        port = 465 if tls else 25 if parts.username is None else 587
    user = None if parts.username is None else unquote(parts.username)
    return SmtpServer(host, port, user, unquote(parts.password or ""), tls, starttls)


def parse_sender(text: str) -> Mailbox:
    """`tickets@example.org` or `Tickets <tickets@example.org>`. Raises ValueError with a sentence."""
    name, address = parseaddr(text)
    try:
        mailbox = parse_address(address)
    except ValueError:
        mailbox = None
    if mailbox is None or mailbox.international:
        raise ValueError(
            "ONSALE_MAIL_FROM is no e-mail address: write it like tickets@example.org or Tickets <tickets@example.org>."
        )
    return mailbox._replace(name=one_line(name, 200))


def parse_address(address: str) -> Mailbox:
    """A person's address. Raises ValueError with a sentence."""
    local, _, written = address.rpartition("@")
    domain = _domain(written)
    if (
        domain is None
        or not _LOCAL.fullmatch(local)
        or not local.isprintable()
        or len(local.encode(errors="replace")) > _LOCAL_OCTETS_MAX
        or len(local.encode(errors="replace")) + 1 + len(domain) > _ADDRESS_OCTETS_MAX
    ):
        raise ValueError(f"{one_line(address, 100)!r} is no e-mail address that mail can be sent to.")
    return Mailbox(local, domain)


def check_mail(smtp_url: str, mail_from: str) -> str | None:
    """Why no mail can be sent so, in a sentence; None: it can."""
    try:
        parse_smtp_url(smtp_url)
        if not mail_from:
            return "ONSALE_SMTP_URL is set and ONSALE_MAIL_FROM is not: set it to the address that mail comes from."
        parse_sender(mail_from)
    except ValueError as error:
        return str(error)
    return None


def _bad_url(what: str) -> ValueError:
    return ValueError(
        f"ONSALE_SMTP_URL can't be used: {what}. Instead, {_LIKE}, with %40 for an @ in the user name or password."
    )


def _starttls(query: str, *, tls: bool) -> bool | None:
    try:
        asked = parse_qs(query, strict_parsing=True, keep_blank_values=True) if query else {}
    except ValueError:
        asked = {"": [""]}
    wish = asked.pop("starttls", ["offered"])
    if asked or len(wish) != 1 or wish[0] not in _STARTTLS:
        raise _bad_url("behind its ? may stand starttls=required, starttls=offered or starttls=never, and nothing else")
    if tls and query:
        raise _bad_url("smtps:// is encrypted from the start, so it takes no starttls")
    return _STARTTLS[wish[0]]


def _domain(written: str) -> str | None:
    """As it stands in the domain name system; None for what can't be there."""
    domain = written
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return None
    if len(domain) > _DOMAIN_OCTETS_MAX or not all(map(_LABEL.fullmatch, domain.split("."))):
        return None
    return domain
