"""From the bytes a server sends to whole HTTP/1.1 responses, as cheaply as Python can.

Owns the framing of responses: Content-Length, chunked, until the end of the connection, interim 1xx, answers without a
body. Raises ValueError for anything else. Never touches a socket.
"""

from typing import Final

END_OF_HEAD: Final = b"\r\n\r\n"
HEAD_BYTES_MAX: Final = 64 * 1024
WITHOUT_BODY: Final = frozenset({204, 304})


class ResponseReader:
    """`feed` bytes, then take `next` until it is None; at the connection's end ask `last` too."""

    __slots__ = ("_buffer", "_position", "head", "keep_alive")

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self.head = b""  # of the response that was taken last: in small letters
        self.keep_alive = True  # whether the connection outlives the response that was taken last

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._position :] + data if self._position < len(self._buffer) else data
        self._position = 0

    @property
    def is_between(self) -> bool:
        """Whether all that came was taken."""
        return self._position >= len(self._buffer)

    def next(self, *, head_only: bool = False) -> tuple[int, bytes] | None:
        """Return status and body of the next whole response, or None. `head_only`: it answers a HEAD."""
        buffer = self._buffer
        while True:
            start = self._position
            end = buffer.find(END_OF_HEAD, start)
            if end < 0:
                if len(buffer) - start > HEAD_BYTES_MAX:
                    raise ValueError(f"No end of the headers within {HEAD_BYTES_MAX} bytes")
                return None
            if buffer[start : start + 7] != b"HTTP/1.":
                raise ValueError(f"Not an HTTP/1 response: {buffer[start : start + 20]!r}")
            status = int(buffer[start + 9 : start + 12])
            if status >= 200:
                break
            self._position = end + 4
        head = buffer[start:end].lower() + b"\r\n"
        body_at = end + 4
        closing = b"\r\nconnection: close\r\n" in head
        if head_only or status in WITHOUT_BODY:
            body_end = body_at
            body = b""
        elif (length := _header(head, b"\r\ncontent-length:")) is not None:
            body_end = body_at + int(length)
            if body_end > len(buffer):
                return None
            body = buffer[body_at:body_end]
        elif b"chunked" in (_header(head, b"\r\ntransfer-encoding:") or b""):
            chunked = _chunked(buffer, body_at)
            if chunked is None:
                return None
            body, body_end = chunked
        else:
            return None  # it ends where the connection does
        self._position = body_end
        self.head = head
        self.keep_alive = not closing and (head[7:8] != b"0" or b"\r\nconnection: keep-alive\r\n" in head)
        return status, body

    def last(self) -> tuple[int, bytes] | None:
        """Return the response that the end of the connection completes, if there is one."""
        buffer = self._buffer
        start = self._position
        end = buffer.find(END_OF_HEAD, start)
        if end < 0:
            return None
        head = buffer[start:end].lower() + b"\r\n"
        if b"\r\ncontent-length:" in head or b"\r\ntransfer-encoding:" in head:
            return None
        self._position = len(buffer)
        self.head = head
        self.keep_alive = False
        return int(buffer[start + 9 : start + 12]), buffer[end + 4 :]


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(name)
    if at < 0:
        return None
    at += len(name)
    return head[at : head.find(b"\r\n", at)]


def _chunked(buffer: bytes, position: int) -> tuple[bytes, int] | None:
    """Return the content and where it ends, or None while the end is missing."""
    pieces = []
    while True:
        line_end = buffer.find(b"\r\n", position)
        if line_end < 0:
            return None
        size = int(buffer[position:line_end].partition(b";")[0], 16)
        position = line_end + 2
        if not size:
            break
        if position + size + 2 > len(buffer):
            return None
        pieces.append(buffer[position : position + size])
        position += size + 2
    while (line_end := buffer.find(b"\r\n", position)) > position:  # trailers
        position = line_end + 2
    return None if line_end < 0 else (b"".join(pieces), line_end + 2)
