"""How polls that reach a node are counted."""

import asyncio

from aiohttp import web

from onsale.loadtest.front_polls import reached, told
from onsale.loadtest.result import Result

ROUTE = "/events/{eventId}/queue"
METRICS = """\
# TYPE onsale_http_requests_total counter
onsale_http_requests_total{method="GET",route="/events/{eventId}/queue",status="200"} 1.5e+03
onsale_http_requests_total{method="GET",route="/events/{eventId}/queue",status="304"} 7.0
onsale_http_requests_total{method="POST",route="/events/{eventId}/queue",status="201"} 40.0
onsale_http_requests_total{method="GET",route="/events/{eventId}/queue/{token}",status="200"} 300.0
"""


async def test_polls_of_the_page_alone_are_counted() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text=METRICS)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        assert await asyncio.to_thread(reached, f"http://{host}:{port}", ROUTE) == 1_507
    finally:
        await runner.cleanup()


def test_it_is_told_in_words() -> None:
    run = Result(
        requests=1_000, seconds=2.0, per_second=500.0, latency_ms={"p99": 3.0}, statuses={400: 2}, errors={"read": 1},
        failed=1, received_bytes=0,
    )  # fmt: skip
    words = told(([run, run], 4))
    assert words == ("2,000 polls in 4.0 s (500/s, p99 3.0 ms), 6 without a page; 4 reached a node (1.0/s), one in 500")
