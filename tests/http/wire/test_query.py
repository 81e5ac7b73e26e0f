"""URLs: ids, parameters, cursors and links."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.codes import Code
from onsale.engine.limits import ID_MAX
from onsale.http.problems import RefusedError
from onsale.http.wire.query import (
    cursor_after,
    cursor_before,
    instant_of,
    lag_ms_of,
    limit_of,
    next_link,
    parse_query,
    path_id,
    path_segments,
    whole_of,
)
from onsale.http.wire.times import parse_instant


def refused_field(error: pytest.ExceptionInfo[RefusedError]) -> str:
    assert error.value.answer.status == 400
    return str(json.loads(error.value.answer.body)["field"])


def test_paths_are_cut_before_they_are_decoded() -> None:
    assert path_segments("/") == [""]
    assert path_segments("/events/7") == ["events", "7"]
    assert path_segments("/users/a%2Fb/bookings") == ["users", "a/b", "bookings"]
    assert path_segments("/users/%C3%BC+%F0%9F%92%BA%00%25") == ["users", "ü+💺\0%"]
    assert path_segments("/users/ü") == ["users", "ü"]
    assert path_segments("/users/100%") == ["users", "100%"]


@pytest.mark.parametrize("path", ["/users/%ff", "/users/%C3", "/users/%ED%A0%80", "/users/\udcff"])
def test_a_path_that_is_not_utf_8_is_refused(path: str) -> None:
    with pytest.raises(RefusedError) as error:
        path_segments(path)
    assert refused_field(error) == "path"


def test_ids_in_paths() -> None:
    def number(segment: str) -> int:
        return path_id(segment, "eventId", Code.NO_SUCH_EVENT, "event")

    assert number("7") == 7
    assert number(str(ID_MAX)) == ID_MAX
    for segment in ("0", "-1", "007", "+7", str(ID_MAX + 1), "9" * 5000):
        with pytest.raises(RefusedError) as error:
            number(segment)
        assert error.value.answer.status == 404
        assert len(error.value.answer.body) < 400
    for segment in ("x", "7.0", "1e3", "٧", "7x", " 7", "\0", "null"):
        with pytest.raises(RefusedError) as error:
            number(segment)
        assert refused_field(error) == "eventId"


def test_parameters_are_decoded() -> None:
    known = ("search", "city", "limit")
    assert parse_query("", known) == {}
    assert parse_query("search=jazz+night%2B&city=K%C3%B6ln", known) == {"search": "jazz night+", "city": "Köln"}
    assert parse_query("&search=&&city&limit=3&", known) == {"limit": "3"}
    assert parse_query("search=a=b", known) == {"search": "a=b"}
    assert parse_query("se%61rch=ü", known) == {"search": "ü"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("search=a&search=b", "search"),
        ("search=&search=b", "search"),
        ("search=%ff", "search"),
        ("search=\udcff", "search"),
        ("foo=1", "foo"),
        ("Search=1", "Search"),
        ("%ff=1", "query"),
        ("x" * 5000 + "=1", "x" * 100),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(query: str, field: str) -> None:
    with pytest.raises(RefusedError) as error:
        parse_query(query, ("search",))
    assert refused_field(error) == field


def test_limits() -> None:
    assert limit_of({}) == 20
    assert limit_of({"limit": "1"}) == 1
    assert limit_of({"limit": "100"}) == 100
    for text in ("0", "101", "-1", "x", "1.5", "1e1", "٣", "9" * 30, " 1"):
        with pytest.raises(RefusedError) as error:
            limit_of({"limit": text})
        assert refused_field(error) == "limit"


def test_whole_numbers() -> None:
    assert whole_of({}, "after_seq", 5) == 5
    assert whole_of({"after_seq": "0"}, "after_seq", 5) == 0
    assert whole_of({"after_seq": str(ID_MAX)}, "after_seq", 5) == ID_MAX
    for text in ("-1", "x", str(ID_MAX + 1), "9" * 30):
        with pytest.raises(RefusedError) as error:
            whole_of({"after_seq": text}, "after_seq", 5)
        assert refused_field(error) == "after_seq"


def test_a_lag_is_in_seconds() -> None:
    assert lag_ms_of({}, "max_lag") is None
    assert lag_ms_of({"max_lag": "5"}, "max_lag") == 5_000
    assert lag_ms_of({"max_lag": "0.25"}, "max_lag") == 250
    for text in ("-1", "x", "1e3", "nan", "inf", ".5", "9999999"):
        with pytest.raises(RefusedError) as error:
            lag_ms_of({"max_lag": text}, "max_lag")
        assert refused_field(error) == "max_lag"


def test_dates_are_days_or_instants() -> None:
    first, last = parse_instant("2026-11-22T00:00:00Z"), parse_instant("2026-11-22T23:59:59.999Z")
    given_day = {"start_date": "2026-11-22", "end_date": "2026-11-22"}
    assert instant_of(given_day, "start_date") == first
    assert instant_of(given_day, "end_date", is_end=True) == last
    instant = {"end_date": "2026-11-22T10:00:00+02:00"}
    assert instant_of(instant, "end_date", is_end=True) == parse_instant("2026-11-22T08:00:00Z")
    lost_plus = parse_query("end_date=2026-11-22T10:00:00+02:00", ("end_date",))
    assert instant_of(lost_plus, "end_date") == parse_instant("2026-11-22T08:00:00Z")
    assert instant_of({"start_date": "0001-01-01"}, "start_date") is not None
    assert instant_of({}, "start_date") is None
    for text in ("x", "2026-11-31", "2026-11-22T10:00:00", "20261122", "2026-11", "0000-00-00"):
        with pytest.raises(RefusedError) as error:
            instant_of({"start_date": text}, "start_date")
        assert refused_field(error) == "start_date"


@given(st.integers(1, ID_MAX))
def test_cursors_lead_on_from_where_they_were_given(last_id: int) -> None:
    assert cursor_before({"cursor": cursor_after(last_id)}) == last_id


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    try:
        before_id = cursor_before({"cursor": text})
    except RefusedError as error:
        assert json.loads(error.answer.body)["field"] == "cursor"  # noqa: PT017 - some texts are cursors
    else:
        assert cursor_after(before_id) == text


def test_no_cursor_begins_at_the_newest() -> None:
    assert cursor_before({}) == ID_MAX


def test_the_next_page_keeps_the_other_parameters() -> None:
    parameters = parse_query("search=a%26b&limit=2&cursor=old", ("search", "limit", "cursor"))
    link = next_link("/events", parameters, cursor='x"\r\n>')
    assert link == ("Link", '</events?search=a%26b&limit=2&cursor=x%22%0D%0A%3E>; rel="next"')
