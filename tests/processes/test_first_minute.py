"""The first minute with the product: whoever is answered at all finds the sample events there."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

from nodes import Node, free_port


def ask(url: str) -> tuple[int, bytes] | None:
    """Status and body; None: nobody listens yet."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return None


async def test_a_search_that_is_answered_finds_the_sample_events(tmp_path: Path) -> None:
    port = free_port()
    node = Node(tmp_path, "--demo", port=port)
    starting = asyncio.create_task(asyncio.to_thread(node.start))
    early: set[int] = set()
    while True:
        answer = await asyncio.to_thread(ask, f"http://127.0.0.1:{port}/events?search=jazz&limit=1")
        if answer is not None and answer[0] == 200:
            break
        if answer is not None:
            early.add(answer[0])
        await asyncio.sleep(0.01)  # the cores are for the node
    assert b'"name"' in answer[1], "it answered before there was anything to find"
    assert early <= {503}
    ready = await asyncio.to_thread(ask, f"http://127.0.0.1:{port}/readyz")
    assert ready is not None
    assert ready[0] == 200
    await starting
    await asyncio.to_thread(node.stop)
