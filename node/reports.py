"""Reports that take reading the whole journal, made beside the node by a process of its own, one at a time.

Owns those processes: starting them, how far they have got, and ending one that nobody asks for any more. Promises that
the node's own loop waits for none of it; that no report tells of what is not durable; and that a report is given once,
so that asking again reads the journal anew.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from ..http.gateway import NothingThereError, Report, UnavailableError
from .journal_view import JournalView

WAIT_SECONDS: Final = 1.0  # for one that is quickly made
ABANDONED_SECONDS: Final = 6.0
JOBS_MAX: Final = 4
LINE_BYTES_MAX: Final = 16 * 1024 * 1024

Key = tuple[str, int]


class _Line(msgspec.Struct):
    """What report_process.py says."""

    done: int = 0
    total: int = 0
    report: msgspec.Raw = msgspec.Raw()
    nothing: str = ""
    fault: str = ""


class _Job:
    """One report being made, or made and not asked for yet."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.task: asyncio.Task[bytes] | None = None
        self.abandon: asyncio.TimerHandle | None = None


class Reports:
    def __init__(self, journal: JournalView, durable_seq: Callable[[], int]) -> None:
        self._journal = journal
        self._durable_seq = durable_seq
        self._one_at_a_time = asyncio.Lock()
        self._jobs: dict[Key, _Job] = {}

    async def report(self, kind: str, number: int) -> Report:
        """Begins it, or says how far it is; with its document when it is there. Raises as Gateway.report."""
        loop, key = asyncio.get_running_loop(), (kind, number)
        job = self._jobs.get(key)
        if job is None:
            if len(self._jobs) >= JOBS_MAX:
                raise UnavailableError("This node is making other reports from its journal; ask again in a moment.")
            job = self._jobs[key] = _Job()
            job.task = loop.create_task(self._make(job, kind, number))
        assert job.task is not None
        if job.abandon is not None:
            job.abandon.cancel()
        job.abandon = loop.call_later(ABANDONED_SECONDS, self._end, key, job)
        await asyncio.wait((job.task,), timeout=WAIT_SECONDS)
        if not job.task.done():
            return Report(None, job.done, job.total)
        self._end(key, job)
        if job.task.cancelled():
            raise UnavailableError("Nobody asked for this report for a while; ask again.")
        return Report(job.task.result(), job.done, job.total)

    def _end(self, key: Key, job: _Job) -> None:
        """It was given, or nobody asks for it any more."""
        if self._jobs.get(key) is job:
            del self._jobs[key]
        assert job.task is not None
        assert job.abandon is not None
        job.abandon.cancel()
        if not job.task.cancel() and not job.task.cancelled():
            job.task.exception()  # looked at, so that nobody complains of it

    async def _make(self, job: _Job, kind: str, number: int) -> bytes:
        async with self._one_at_a_time:
            return await self._read(job, kind, number)

    async def _read(self, job: _Job, kind: str, number: int) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onsale.node.report_process",
            str(self._journal.data_folder), str(self._durable_seq()), kind, str(number),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=LINE_BYTES_MAX, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async for text in process.stdout:
                line = msgspec.json.decode(text, type=_Line)
                job.done, job.total = line.done or job.done, line.total or job.total
                if line.report:
                    return bytes(line.report)
                if line.nothing:
                    raise NothingThereError(line.nothing)
                if line.fault:
                    raise UnavailableError(line.fault)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        raise UnavailableError("The report could not be made: this node's journal changed meanwhile. Ask again.")
