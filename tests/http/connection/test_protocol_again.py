"""Who sends the same bytes again: looked at once, answered each time, in turn; over real sockets."""

from onsale.http.call import Answer
from onsale.http.request_ids import request_id_of
from onsale.tests.http.serving import get, post, serving, until


async def test_who_sends_the_same_bytes_again_is_answered_each_time_in_turn():
    async with serving() as server, await server.connect() as client:
        for _ in range(3):
            client.send(get("/now"))
            assert await client.bodies(1) == ["GET/now"]
        assert server.taken[0].headers is server.taken[1].headers is server.taken[2].headers, "it was read once"
        client.send(get("/now") * 3)
        assert await client.bodies(3) == ["GET/now"] * 3

        for number in range(2):  # answered later: the next must wait for it
            client.send(get("/later"))
            await until(lambda number=number: len(server.owed) == 2 * number + 1)
            client.send(get("/later"))
            await until(lambda number=number: len(server.owed) == 2 * number + 2)
            server.answer(2 * number + 1)
            server.answer(2 * number)
            assert await client.bodies(2) == ["/later"] * 2

        for _ in range(2):  # left to the application
            client.send(get("/cold"))
            client.send(get("/cold"))
            assert await client.bodies(2) == ["GET/cold"] * 2

        client.send(get("/now", "Connection: close"))
        assert await client.bodies(1) == ["GET/now"]
        assert await client.reader.read() == b""


async def test_what_was_looked_up_is_kept_and_what_is_each_one_s_own_is_not():
    async with serving() as server, await server.connect() as client:
        seen = []

        def look(reply) -> bool:
            call = server.taken[-1]
            seen.append((call.target, call.body, call.headers["Idempotency-Key"]))
            call.target = call.target or "looked up"
            reply(Answer(200, b""))
            return True

        server.handlers["/hot"] = look
        for number in range(1, 5):
            client.send(post("/hot", b"%d" % number, f"Idempotency-Key: key {number}"))
            await client.response()
        assert seen[0] == (None, b"1", "key 1")
        assert seen[2:] == [("looked up", b"3", "key 3"), ("looked up", b"4", "key 4")]
        client.send(post("/cold", b"5", "Idempotency-Key: key 5"))
        assert await client.bodies(1) == ["POST/cold5"]
        client.send(post("/cold", b"6", "Idempotency-Key: key 6"))
        assert await client.bodies(1) == ["POST/cold6"], "the application gets its own body, too"


async def test_what_fails_again_is_answered_again(caplog):
    async with serving() as server, await server.connect() as client:
        server.handlers["/hot"] = lambda _reply: 1 // 0
        for _ in range(3):
            client.send(get("/hot"))
            assert (await client.response()).status == 500
        assert len(caplog.records) == 3
        caplog.clear()
        server.handlers["/hot"] = lambda _reply: False  # from now on it is left to the application
        client.send(get("/hot"))
        assert (await client.response()).status == 404
        client.send(get("/now"))
        assert await client.bodies(1) == ["GET/now"]


async def test_each_has_a_request_id_of_its_own():
    async with serving() as server, await server.connect() as client:
        ids = []
        server.handlers["/hot"] = lambda reply: (
            ids.append(request_id_of(server.taken[-1])) or reply(Answer(200, b"")) or True
        )
        for _ in range(4):
            client.send(get("/hot"))
            await client.response()
        assert len(set(ids)) == 4
        ids.clear()
        for _ in range(3):
            client.send(get("/hot", "X-Request-Id: mine"))
            await client.response()
        assert ids == ["mine"] * 3
