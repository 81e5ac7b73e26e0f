"""Makes text safe for where it goes in a mail.

Owns what becomes of line breaks, control characters and whatever else a name may hold: no name can end a header or
begin a line, and nothing that a mail server says can spoil what is written about it.
"""

import unicodedata
from typing import Final

_BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")
_NOT_SHOWN: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


def one_line(text: str, characters_max: int = 1_000) -> str:
    """The text in one line: spaces in place of line breaks and of what can't be shown, none at its ends."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            " " if each in _BIDI_CONTROLS or unicodedata.category(each) in _NOT_SHOWN else each for each in text
        )
    text = " ".join(text.split())
    return text if len(text) <= characters_max else text[: characters_max - 1].rstrip() + "…"
