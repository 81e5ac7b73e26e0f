"""Reads QR pictures as a scanner at the door does."""

import struct
import zlib

import zxingcpp


def read_png(picture: bytes) -> list[str]:
    """The texts of all codes in a picture of one bit per pixel."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + data) == struct.unpack_from(">I", picture, at + 8 + length)[0]
        chunks[kind] = chunks.get(kind, b"") + data
        at += 12 + length
    width, height, depth, colours = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert depth == 1
    white = 1 if colours == 0 or chunks[b"PLTE"][:3] == b"\0\0\0" else 0
    data, stride = zlib.decompress(chunks[b"IDAT"]), (width + 7) // 8 + 1
    pixels = bytearray()
    above = bytes(stride - 1)
    for row in range(height):
        line = data[row * stride : (row + 1) * stride]
        assert line[0] in (0, 2), "as they are, or as the difference to the row above"
        above = (
            bytes((each + before) % 256 for each, before in zip(line[1:], above, strict=True)) if line[0] else line[1:]
        )
        pixels += bytes(255 * ((above[x // 8] >> (7 - x % 8) & 1) == white) for x in range(width))
    image = memoryview(bytes(pixels)).cast("B", shape=[height, width])
    return [each.text for each in zxingcpp.read_barcodes(image)]
