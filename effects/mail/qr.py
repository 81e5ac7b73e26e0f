"""Pictures of ticket codes.

Owns their look: large enough for a phone's screen and a printer, with the quiet zone and the error correction (M: 15 %)
that scanners at a door want.
"""

import io
from typing import Final

import segno

FORMS: Final = ("png", "svg")
_QUIET_MODULES: Final = 4  # what the standard asks for
_PIXELS_PER_MODULE: Final = 8


def draw(code: str, form: str) -> bytes:
    """A QR picture. `form`: png or svg. Takes some milliseconds. Raises ValueError for another form."""
    if form not in FORMS:
        raise ValueError(f"There are pictures as {' and '.join(FORMS)}, not as {form!r}.")
    picture = io.BytesIO()
    symbol = segno.make_qr(code, error="m")
    if form == "png":
        symbol.save(picture, kind="png", border=_QUIET_MODULES, scale=_PIXELS_PER_MODULE)
    else:
        # white behind it, for pages that are dark; sized by whoever shows it
        symbol.save(picture, kind="svg", border=_QUIET_MODULES, light="#fff", omitsize=True)
    return picture.getvalue()
