"""What may be kept of reads, and for how long."""

import pytest

from onsale.tests.http.api_calls import Calls

PUBLIC = ["/events", "/events/1", "/events/1/availability", "/openapi.json", "/docs"]
PERSONAL = ["/booking/1", "/users/ada", "/users/ada/bookings", "/users/ada/notifications", "/journal", "/cluster"]


@pytest.fixture
async def calls() -> Calls:
    calls = Calls()
    await calls.held(await calls.event())
    await calls("PUT", "/users/ada", {})
    return calls


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_reads_may_be_shared(calls: Calls, path: str) -> None:
    got = await calls("GET", path)
    policy = dict(part.split("=") if "=" in part else (part, "") for part in got.headers["Cache-Control"].split(", "))
    assert set(policy) == {"public", "s-maxage", "stale-while-revalidate"}
    assert int(policy["s-maxage"]) >= 1
    assert "Onsale-Min-Seq" in got.headers["Vary"], "a cached answer may be too old for one who names a position"
    if path.endswith("availability"):
        assert policy["s-maxage"] == "1"


@pytest.mark.parametrize("path", PERSONAL)
async def test_personal_reads_are_kept_by_nobody(calls: Calls, path: str) -> None:
    assert (await calls("GET", path)).headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", [*PUBLIC, *PERSONAL])
async def test_a_read_is_not_sent_twice(calls: Calls, path: str) -> None:
    first = await calls("GET", path)
    etag = first.headers["ETag"]
    assert etag[0] == etag[-1] == '"'
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        got = await calls("GET", path, If_None_Match=known)
        assert (got.status, got.body) == (304, b""), known
        for name in ("ETag", "Cache-Control", "Onsale-Seq"):
            assert got.headers[name] == first.headers[name]
    for other in ('"other"', "", etag.strip('"')):
        got = await calls("GET", path, If_None_Match=other)
        assert (got.status, got.body) == (200, first.body), other
    if path.endswith("availability"):
        assert calls.at_once("GET", path, If_None_Match=etag).status == 304


async def test_an_etag_follows_the_content(calls: Calls) -> None:
    before = {path: (await calls("GET", path)).headers["ETag"] for path in PUBLIC[:3]}
    await calls("PUT", "/users/bob", {})
    for path, etag in before.items():
        assert (await calls("GET", path, If_None_Match=etag)).status == 304, "nothing of it has changed"
    await calls.held(1)
    for path, etag in before.items():
        got = await calls("GET", path, If_None_Match=etag)
        assert (got.status, got.headers["ETag"] != etag) == (200, True)


@pytest.mark.parametrize("path", ["/events/99", "/booking/99", "/users/nobody", "/nowhere"])
async def test_errors_are_kept_by_nobody(calls: Calls, path: str) -> None:
    got = await calls("GET", path, If_None_Match="*")
    assert (got.status, got.headers["Cache-Control"]) == (404, "private, no-store")
