"""Pictures of codes can be read back, and have their quiet zone."""

import pytest

from onsale.effects.mail.qr import draw
from onsale.tests.effects.mail.mail_server import CODE
from onsale.tests.effects.mail.pictures import read_png


def test_a_picture_reads_as_its_code() -> None:
    assert read_png(draw(CODE, "png")) == [CODE]


def test_a_drawing_scales_and_is_white_behind() -> None:
    drawing = draw(CODE, "svg").decode()
    assert 'viewBox="0 0 49 49"' in drawing  # 41 modules and the quiet zone of four on each side
    assert "width=" not in drawing
    assert 'fill="#fff"' in drawing


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="png and svg"):
        draw(CODE, "gif")
