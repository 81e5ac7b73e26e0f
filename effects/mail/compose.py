"""Makes a message of what there is to say: plain and HTML, with the pictures of its tickets.

Owns the message's form. Its own headers are written here, in ASCII and in lines of modest length, from text without
line breaks, so nothing that anyone calls themselves or an event can add a header. It loads nothing from elsewhere when
it is read. The parts are the standard library's, all quoted-printable or base64.
"""

import html
from datetime import datetime
from email.charset import QP, Charset
from email.header import Header
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, quote
from typing import Final

from ..orders import Mail
from .address import Mailbox
from .qr import draw
from .words import TICKETS_PICTURED_MAX, Line, Words, words_of

_UTF_8 = Charset("utf-8")
_UTF_8.body_encoding = QP
_LINE_END: Final = "\r\n"
_POLICY: Final = compat32.clone(linesep=_LINE_END)
_WORD_CHARACTERS_MAX: Final = 60  # longer ones can't be folded as they stand
_CONTENT_ID: Final = "ticket-{number}@{domain}"

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{subject}</title></head>
<body style="margin:0;padding:16px;background:#ffffff;color:#1a1a1a;font:16px/1.5 Helvetica,Arial,sans-serif">
<div style="max-width:600px;margin:0 auto">
<p>{greeting}</p>
<p style="font-size:18px"><strong>{sentence}</strong></p>
<table role="presentation" cellpadding="0" cellspacing="0" style="margin:16px 0">
{lines}
</table>
{link}{tickets}</div>
</body>
</html>
"""
_ROW: Final = """\
<tr><td style="padding:4px 16px 4px 0;color:#595959;vertical-align:top">{label}</td>\
<td style="padding:4px 0;overflow-wrap:anywhere">{text}</td></tr>"""
_TICKET: Final = """\
<div style="margin:16px 0;padding:16px;border:1px solid #cccccc">
<p style="margin:0"><strong>Ticket {number}</strong> {ticket_type}</p>
{picture}<p style="margin:0;font:12px/1.4 monospace;word-break:break-all">{code}</p>
</div>
"""
_PICTURE: Final = '<p><img src="cid:{cid}" alt="QR code of ticket {number}" width="240" height="240"></p>\n'


def compose(mail: Mail, sender: Mailbox, to: Mailbox, *, public_url: str, now: datetime) -> bytes:
    """A whole message with CRLF line ends: ASCII, except for the address in To when that is international.

    `now` (with its zone) becomes its date. Takes some milliseconds for each ticket, else one.
    """
    words = words_of(mail, public_url=public_url, now=now)
    pictured = words.tickets[:TICKETS_PICTURED_MAX]
    pictures = {each.number: draw(each.code, "png") for each in pictured}
    cids = {number: _CONTENT_ID.format(number=number, domain=sender.domain) for number in pictures}
    page = MIMEText(_page(words, cids), "html", _UTF_8)  # type: ignore[arg-type]  # the documents allow a Charset
    text = MIMEText(_text(words), "plain", _UTF_8)  # type: ignore[arg-type]
    if not pictures:
        body = MIMEMultipart("alternative", None, [text, page])
    else:
        inline = [_image(picture, number, "inline", cids[number]) for number, picture in pictures.items()]
        related = MIMEMultipart("related", None, [page, *inline], type="text/html")
        whole = MIMEMultipart("alternative", None, [text, related])
        attached = [_image(picture, number, "attachment") for number, picture in pictures.items()]
        body = MIMEMultipart("mixed", None, [whole, *attached])
    headers = (
        ("From", _written_mailbox("From", sender)),
        ("To", _written_mailbox("To", to._replace(name=words.name))),
        ("Subject", _written("Subject", words.subject)),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{_message_id(mail.message_id, sender)}>"),
        ("Auto-Submitted", "auto-generated"),
    )
    head = "".join(f"{name}: {value}{_LINE_END}" for name, value in headers)
    return head.encode() + body.as_bytes(policy=_POLICY)


def _message_id(message_id: str, sender: Mailbox) -> str:
    """The sender's domain as it goes over the wire may be written otherwise than the operator wrote it."""
    return message_id if message_id.isascii() else f"{message_id.rpartition('@')[0]}@{sender.domain}"


def _written(header: str, text: str) -> str:
    """Text in a header: as it is where that is safe, else as RFC 2047 has it."""
    plain = text.isascii() and "=?" not in text and all(len(word) <= _WORD_CHARACTERS_MAX for word in text.split())
    return Header(text, "us-ascii" if plain else "utf-8", 76, header).encode(linesep=_LINE_END)


def _written_mailbox(header: str, mailbox: Mailbox) -> str:
    name = mailbox.name
    if name.isascii() and len(name) <= _WORD_CHARACTERS_MAX and "=?" not in name:
        return f'"{quote(name)}" <{mailbox.address}>' if name else mailbox.address
    return f"{Header(name, 'utf-8', 76, header).encode(linesep=_LINE_END)}{_LINE_END} <{mailbox.address}>"


def _image(picture: bytes, number: int, disposition: str, cid: str = "") -> MIMEImage:
    image = MIMEImage(picture, "png")
    image.add_header("Content-Disposition", disposition, filename=f"ticket-{number}.png")
    if cid:
        image.add_header("Content-ID", f"<{cid}>")
    return image


def _text(words: Words) -> str:
    blocks = [words.greeting, words.sentence, "\n".join(f"{line.label}: {line.text}" for line in words.lines)]
    if words.link:
        blocks.append(f"Your booking: {words.link}")
    if words.hint:
        blocks.append(words.hint)
    blocks += [f"Ticket {each.number}, {each.ticket_type}:\n{each.code}" for each in words.tickets]
    if words.rest:
        blocks.append(words.rest)
    return "\n\n".join(blocks) + "\n"


def _page(words: Words, cids: dict[int, str]) -> str:
    link = words.link and f'<p><a href="{html.escape(words.link)}">Your booking</a></p>\n'
    tickets = f"<p>{words.hint}</p>\n" if words.hint else ""
    for each in words.tickets:
        cid = cids.get(each.number)
        tickets += _TICKET.format(
            number=each.number,
            ticket_type=html.escape(each.ticket_type),
            picture="" if cid is None else _PICTURE.format(cid=html.escape(cid), number=each.number),
            code=html.escape(each.code),
        )
    if words.rest:
        tickets += f"<p>{words.rest}</p>\n"
    return _PAGE.format(
        subject=html.escape(words.subject),
        greeting=html.escape(words.greeting),
        sentence=html.escape(words.sentence),
        lines="\n".join(map(_row, words.lines)),
        link=link,
        tickets=tickets,
    )


def _row(line: Line) -> str:
    return _ROW.format(label=html.escape(line.label), text=html.escape(line.text))
