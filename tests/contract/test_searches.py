"""Searches beside changes: whoever was answered that something has changed finds it so, however often others have asked
the same before.
"""

from onsale.tests.contract.asking import Caller

PATH = "/events?search=marimba"


def test_the_next_search_shows_what_was_answered(ask: Caller) -> None:
    event_id = ask.event(name="Marimba One", ticketTypes=[{"name": "A", "price": "5.00", "capacity": 3}])

    def found() -> dict[str, object]:
        first, again = ask("GET", PATH), ask("GET", PATH)
        assert first.json == again.json
        (event,) = again.json
        return {name: event[name] for name in ("name", "status", "priceFrom", "available")}

    assert found() == {"name": "Marimba One", "status": "on_sale", "priceFrom": "5.00", "available": 3}
    for number in (1, 2, 3):
        booked = ask("POST", "/booking", {"userId": f"marimba-{number}", "eventId": event_id})
        assert booked.status == 201
        assert found()["available"] == 3 - number
    assert found()["status"] == "sold_out"
    path = f"/events/{event_id}"
    assert ask("PATCH", path, {"name": "Marimba Two", "ticketTypes": [{"name": "A", "capacity": 9}]}).status == 200
    assert found() == {"name": "Marimba Two", "status": "on_sale", "priceFrom": "5.00", "available": 6}
    cancelled = ask("POST", f"{path}/cancel")
    assert found()["status"] == "cancelled"
    known = ask("GET", PATH, Onsale_Min_Seq=str(cancelled.seq))
    assert known.seq >= cancelled.seq
    other = ask.event(name="Marimba Three")
    assert {event["id"] for event in ask("GET", PATH).json} == {event_id, other}


def test_a_page_that_is_known_is_not_sent_again(ask: Caller) -> None:
    ask.event(name="Vibraphone")
    path = "/events?search=vibraphone"
    first = ask("GET", path)
    etag = first.headers["etag"]
    again = ask("GET", path, If_None_Match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    head = ask("HEAD", path)
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", etag)
    assert head.headers["content-length"] == str(len(first.body))
    assert head.headers["cache-control"] == first.headers["cache-control"]
