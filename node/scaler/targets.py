"""Who Prometheus is to scrape: the replicas that serve, in a file that it reads by itself (file_sd_configs).

Owns that file. Replicas that were taken away leave it with the balancer's list, so that they are not missed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from .ports import Balancer, CannotDo, Place
from .state_file import replace_file


class Announced:
    """A balancer whose replicas are written down as well."""

    def __init__(self, balancer: Balancer, file: Path) -> None:
        self._balancer = balancer
        self._file = file
        self._written: bytes | None = None

    async def keep(self, places: Sequence[Place]) -> None:
        await self._balancer.keep(places)
        found = [
            {"targets": [place.replica.address], "labels": {"replica": place.replica.name}}
            for place in places
            if place.replica.address
        ]
        content = orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n"
        if content == self._written:
            return
        try:
            await asyncio.to_thread(replace_file, self._file, content)
        except OSError as error:
            raise CannotDo(f"{self._file} (`targets_file`) can't be written: {error.strerror}.") from error
        self._written = content

    async def leave(self, place: Place) -> None:
        await self._balancer.leave(place)

    async def release(self, place: Place) -> None:
        await self._balancer.release(place)
