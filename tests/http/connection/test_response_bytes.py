import pytest

from onsale.http.call import Answer, RepeatedAnswer
from onsale.http.connection import response_bytes
from onsale.http.connection.response_bytes import CLOSE, KEEP_ALIVE, ResponseRenderer


@pytest.fixture(name="clock")
def stopped_clock(monkeypatch):
    now = [1795773600.9]
    monkeypatch.setattr(response_bytes.time, "time", lambda: now[0])
    return now


def test_a_response_in_full(clock):
    renderer = ResponseRenderer()
    answer = Answer(201, b'{"a":1}', (("Onsale-Seq", "7"), ("Link", '</é>; rel="next"')))
    head = (
        "HTTP/1.1 201 Created\r\nDate: Fri, 27 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n"
        'Content-Length: 7\r\nConnection: close\r\nOnsale-Seq: 7\r\nLink: </é>; rel="next"\r\n\r\n'
    ).encode()
    assert renderer.render(answer, connection=CLOSE) == head + b'{"a":1}'
    assert renderer.render(answer, connection=CLOSE, head_only=True) == head


def test_the_date_follows_the_clock(clock):
    renderer = ResponseRenderer()
    assert b"10:00:00 GMT" in renderer.render(Answer(200, b""))
    clock[0] += 0.05
    assert b"10:00:00 GMT" in renderer.render(Answer(200, b""))
    clock[0] += 0.05
    assert b"10:00:01 GMT" in renderer.render(Answer(200, b""))


def test_a_repeated_answer_is_rendered_once_a_second_and_differs_from_no_other(clock):
    renderer = ResponseRenderer()
    repeated, once = (kind(200, b"{}", (("Onsale-Seq", "7"),)) for kind in (RepeatedAnswer, Answer))
    first = renderer.render(repeated)
    assert renderer.render(repeated) is first
    for asked in ({}, {"head_only": True}, {"connection": CLOSE}, {"connection": KEEP_ALIVE}, {}):
        assert renderer.render(repeated, **asked) == renderer.render(once, **asked)
    clock[0] += 1
    assert renderer.render(repeated) == renderer.render(once) != first


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_says_nothing_of_one(clock, status):
    response = ResponseRenderer().render(Answer(status, b"", (("ETag", '"1"'),)))
    assert b"Content-" not in response
    assert response.endswith(b'\r\nETag: "1"\r\n\r\n')


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"", (("X", "a\r\nSet-Cookie: b"),)),
        Answer(200, b"", (("X", "a\nb"),)),
        Answer(200, b"", (("X\r\nY", "a"),)),
        Answer(200, b"", (("X", "a\0"),)),
        Answer(200, b"", (("X", "a\u2028b"),)),
        Answer(200, b"", (("X", "a\ud800"),)),
        Answer(200, b"", (), "text/plain\r\nX: y"),
    ],
)
def test_a_header_cannot_break_out_of_its_line(answer):
    with pytest.raises(ValueError, match="control character"):
        ResponseRenderer().render(answer)
