"""From the bytes of a connection to whole requests.

Owns the framing: where a head ends, how long its body is, and every bound in bytes. Heads are read by aiohttp's own
parser (llhttp), chunked bodies by its own too; a body with a Content-Length is a slice. One request at a time is
taken out, so whoever asks decides how far ahead a client may run.

Promises: a request comes out whole or not at all; whatever is wrong with the bytes comes out as a `ClientError`, after
which the connection cannot be read any further. Never touches a socket or a clock.

A head that is that of the request before is not parsed anew: see same_head.py.

The parser is told `response_with_body=False`, with which it reads heads only: it then makes no stream object per body,
and a fault in one request does not swallow the requests before it in the same packet.
"""

import asyncio
import enum
import functools
import re
from typing import Any, Final, cast

from aiohttp import StreamReader, hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import (
    HeadersParser,
    HttpProcessingError,
    HttpRequestParser,
    HttpVersion10,
    HttpVersion11,
    RawRequestMessage,
)
from aiohttp.http_parser import HttpPayloadParser, PayloadState
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ...engine.codes import Code
from .limits import ConnectionLimits
from .same_head import SameHead, remember

END_OF_HEAD: Final = b"\r\n\r\n"
LINE_ENDS: Final = (b"\r", b"\n")
FIRST_MIN: Final = ord("\r")  # an empty line begins with no more than this
CHUNKED: Final = -1
CHUNKED_RAW_FACTOR: Final = 8  # how much larger than its content a chunked body may be: one byte in a chunk takes six
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]{0,5})?")

# Its head, its body, and whether it is plain: nothing about it asks for more than reading it and answering.
Request = tuple[RawRequestMessage, bytes, bool]


class ClientError(Exception):
    """The client broke HTTP or a limit; `detail` tells it what to do. `status` is the answer's."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class Awaited(enum.Enum):
    """What the next byte of this connection belongs to."""

    REQUEST = enum.auto()
    REST_OF_HEAD = enum.auto()
    REST_OF_BODY = enum.auto()


class RequestReader:
    """`feed` bytes, then take `next` until it is None."""

    __slots__ = (
        "_body",
        "_body_bytes_left",
        "_buffer",
        "_chunks",
        "_head_bytes",
        "_head_is_ascii",
        "_head_tail",
        "_limits",
        "_message",
        "_parser",
        "_plain",
        "_position",
        "awaited",
        "continue_due",
        "same",
        "stages",
    )

    def __init__(self, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._parser = HttpRequestParser(
            protocol,
            loop,
            limits.body_bytes_max,
            max_line_size=limits.head_bytes_max,
            max_field_size=limits.head_bytes_max,
            max_headers=limits.headers_max,
            response_with_body=False,
        )
        self._buffer = b""
        self._position = 0  # what is before it was used
        self._head_bytes = 0  # of an unfinished head, already given to the parser
        self._head_tail = b""  # its last three, in case its end is split
        self._head_is_ascii = True
        self._message: RawRequestMessage | None = None  # whose body is not complete yet
        self._plain = False
        self._body = bytearray()
        self._body_bytes_left = 0
        self._chunks: _ChunkedBody | None = None
        self.same: SameHead | None = None  # of the last request that was as most are
        self.awaited = Awaited.REQUEST
        self.stages = 0  # goes up when an unfinished head or body begins: the moment its time starts to count
        self.continue_due = False  # the client waits for "100 Continue"; whoever sends it sets this back

    @property
    def unread_bytes(self) -> int:
        """Bytes fed but not looked at."""
        return len(self._buffer) - self._position

    def again(self, data: bytes) -> tuple[RawRequestMessage, bytes] | None:
        """What `data` asks, if it is one request with the last head, and as plain: it is not to be fed then.

        None: look closer.
        """
        same = self.same
        if same is None or self._position < len(self._buffer) or self.awaited is not Awaited.REQUEST:
            return None
        return same.again(data)

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._position :] + data if self._position < len(self._buffer) else data
        self._position = 0

    def next(self) -> Request | None:
        """Return the next whole request, or None when that takes more bytes. Raises ClientError."""
        buffer, start = self._buffer, self._position
        if start == len(buffer):
            self._buffer = b""
            self._position = 0
            return None
        message = self._message
        if message is not None:
            return self._read_body(message)
        end = buffer.find(END_OF_HEAD, start) + 4
        if (
            end > 3
            and end - start <= self._limits.head_bytes_max
            and not self._head_bytes
            and buffer[start] > FIRST_MIN
        ):
            head = buffer[start:end]  # by far the most: it is whole
            self._position = end
            same = self.same
            if same is not None and (message := same.message_of(head)) is not None:
                return self._with_body(message, same.body_bytes, plain=True)
            message = self._parse(head, complete=True)
            if not self._head_is_ascii:
                self._check_decodable(message)
        else:
            head = b""
            message = self._read_head()
        if message is None:
            return None
        headers = message.headers
        if not _is_authority(headers.get(hdrs.HOST, "")):
            raise _malformed("The Host header is HOST or HOST:PORT.")
        length = headers.get(hdrs.CONTENT_LENGTH)
        is_usual = length is not None and message.version is HttpVersion11
        body_bytes = int(length) if is_usual else _body_bytes(message)  # type: ignore[arg-type]
        expect = headers.get(hdrs.EXPECT)
        plain = expect is None and not message.chunked and not message.upgrade
        waits = False
        if expect is not None and expect.lower() == "100-continue":
            waits = message.version is HttpVersion11
            message = _without_expect(message)
        if body_bytes and message.compression:
            raise ClientError(415, Code.INVALID_FIELD, "Send the body as it is, without a Content-Encoding.")
        if body_bytes > self._limits.body_bytes_max:
            raise _body_too_large(self._limits)
        if plain and head:
            self.same = remember(head, message, body_bytes)
        self.continue_due = waits and body_bytes != 0 and self._position == len(self._buffer)
        return self._with_body(message, body_bytes, plain=plain)

    def forget(self) -> None:
        """Keep nothing of the last request: there will be no further one."""
        self.same = None

    def _read_head(self) -> RawRequestMessage | None:
        buffer = self._buffer
        start = self._position
        if not self._head_bytes:
            while buffer[start : start + 1] in LINE_ENDS:  # RFC 9112 section 2.2 lets a client send empty lines first
                start += 1
            if start == len(buffer):
                self._position = start
                return None
        end = self._end_of_head(buffer, start)
        piece = buffer[start:end] if end >= 0 else buffer[start:]
        self._head_bytes += len(piece)
        if self._head_bytes > self._limits.head_bytes_max:
            raise ClientError(
                431,
                Code.TOO_LARGE,
                f"Send at most {self._limits.head_bytes_max} bytes of request line and headers.",
            )
        self._position = start + len(piece)
        message = self._parse(piece, complete=end >= 0)
        if message is None:
            if self.awaited is Awaited.REQUEST:
                self.awaited = Awaited.REST_OF_HEAD
                self.stages += 1
            self._head_tail = (self._head_tail + piece)[-3:]
            return None
        if not self._head_is_ascii:
            self._check_decodable(message)
        self.awaited = Awaited.REQUEST
        self._head_bytes = 0
        self._head_tail = b""
        return message

    def _end_of_head(self, buffer: bytes, start: int) -> int:
        """Where the head ends in `buffer`, or -1."""
        tail = self._head_tail
        if tail:
            found = (tail + buffer[start : start + 3]).find(END_OF_HEAD)
            if found >= 0:
                return start + found + 4 - len(tail)
        found = buffer.find(END_OF_HEAD, start)
        return found + 4 if found >= 0 else -1

    def _parse(self, piece: bytes, *, complete: bool) -> RawRequestMessage | None:
        if not piece.isascii():
            self._head_is_ascii = False
        try:
            messages, upgraded, _ = self._parser.feed_data(piece)
        except HttpProcessingError as error:
            raise _malformed(error.message) from None
        except Exception:  # noqa: BLE001 - some targets, "//[" with an unclosed bracket, trip the URL parser itself
            raise _malformed("The target of the request cannot be read.") from None
        if upgraded:
            self._parser.set_upgraded(False)  # no other protocol is spoken here
        if len(messages) != complete:  # the parser sees another end of the head than we do: not a moment to guess
            raise _malformed("The request line and the headers end with one empty line.")
        return messages[0][0] if messages else None

    def _check_decodable(self, message: RawRequestMessage | None) -> None:
        self._head_is_ascii = True
        if message is not None:
            _refuse_undecodable(message)

    def _with_body(self, message: RawRequestMessage, body_bytes: int, *, plain: bool) -> Request | None:
        start = self._position
        end = start + body_bytes
        if body_bytes >= 0 and end <= len(self._buffer):  # by far the most: it is there
            self._position = end
            return message, self._buffer[start:end], plain
        self._message = message
        self._plain = plain
        self._body_bytes_left = body_bytes
        self._chunks = _ChunkedBody(self._limits) if body_bytes == CHUNKED else None
        self.awaited = Awaited.REST_OF_BODY
        self.stages += 1
        return self._read_body(message)

    def _read_body(self, message: RawRequestMessage) -> Request | None:
        if self._position == len(self._buffer):
            return None
        self.continue_due = False  # it did not wait
        data = self._buffer[self._position :]
        if self._chunks is not None:
            rest = self._chunks.feed(data)
            if rest is None:
                self._position = len(self._buffer)
                return None
            self._position = len(self._buffer) - len(rest)
            body = bytes(self._chunks.content)
        else:
            piece = data[: self._body_bytes_left]
            self._position += len(piece)
            self._body += piece
            self._body_bytes_left -= len(piece)
            if self._body_bytes_left:
                return None
            body = bytes(self._body)
        self._body.clear()
        self._chunks = None
        self._message = None
        self.awaited = Awaited.REQUEST
        return message, body, self._plain


class _ChunkedBody:
    """Takes a chunked body apart with aiohttp's parser, and is the stream which that parser writes to."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.content = bytearray()
        self._limits = limits
        self._raw_bytes_left = CHUNKED_RAW_FACTOR * limits.body_bytes_max
        self._parser = HttpPayloadParser(
            cast("StreamReader", self),
            chunked=True,
            headers_parser=HeadersParser(),
            max_line_size=limits.head_bytes_max,
            max_field_size=limits.head_bytes_max,
            max_trailers=limits.headers_max,
        )

    def feed(self, data: bytes) -> bytes | None:
        """Return what is left of `data` after the body's end, or None while that is to come. Raises ClientError."""
        self._raw_bytes_left -= len(data)
        if self._raw_bytes_left < 0:
            raise _body_too_large(self._limits)
        try:
            state, rest = self._parser.feed_data(data)
        except HttpProcessingError as error:
            raise _malformed(error.message) from None
        return rest if state is PayloadState.PAYLOAD_COMPLETE else None

    def feed_data(self, data: bytes, _size: int = 0) -> bool:
        self.content += data
        if len(self.content) > self._limits.body_bytes_max:
            raise _body_too_large(self._limits)
        return False

    def feed_eof(self) -> None: ...

    def begin_http_chunk_receiving(self) -> None: ...

    def end_http_chunk_receiving(self) -> None: ...

    def set_exception(self, *_error: Any) -> None: ...


def _body_bytes(message: RawRequestMessage) -> int:
    """Return the length of the body that follows, or CHUNKED.

    The parser has refused a Content-Length that is not digits alone, one beside a Transfer-Encoding, and two of either.
    """
    if message.version is not HttpVersion11 and message.version != HttpVersion10:
        raise _malformed("Speak HTTP/1.1 or HTTP/1.0.")
    length = message.headers.get(hdrs.CONTENT_LENGTH)
    if length is not None:
        return int(length)
    encoding = message.headers.get(hdrs.TRANSFER_ENCODING)
    if encoding is None:
        return 0
    if not message.chunked or encoding.lower() != "chunked" or message.version != HttpVersion11:
        raise _malformed("Send the body with a Content-Length, or with Transfer-Encoding: chunked over HTTP/1.1.")
    return CHUNKED


@functools.lru_cache(maxsize=256)
def _is_authority(host: str) -> bool:
    """Whether a Host header names a host and a port, so that whoever makes a URL of it can."""
    try:
        return _AUTHORITY.fullmatch(host) is not None and URL.build(scheme="http", authority=host).host != ""
    except ValueError:
        return False


def _without_expect(message: RawRequestMessage) -> RawRequestMessage:
    """Drop the header that was dealt with here, so that nobody deals with it again."""
    headers = CIMultiDict(message.headers)
    headers.popall(hdrs.EXPECT, None)
    return message._replace(headers=CIMultiDictProxy(headers))


def _refuse_undecodable(message: RawRequestMessage) -> None:
    """Refuse bytes that are not UTF-8: the parser has made lone surrogates of them, which nothing can encode again."""
    try:
        for name, value in message.headers.items():
            (name + value).encode()
    except UnicodeEncodeError:
        raise _malformed("Send header values in ASCII or UTF-8.") from None


def _malformed(detail: str) -> ClientError:
    detail = detail.partition("\n")[0].removesuffix(":").encode("ascii", "backslashreplace").decode()
    return ClientError(400, Code.INVALID_FIELD, f"This is not a well-formed HTTP/1.1 request. {detail}")


def _body_too_large(limits: ConnectionLimits) -> ClientError:
    return ClientError(413, Code.TOO_LARGE, f"Send a body of at most {limits.body_bytes_max} bytes.")
