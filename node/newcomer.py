"""A node that has no copy yet, and fetches one: what makes an empty folder a standby or a replica.

Owns the search for somebody who gives one, and the transfer. Promises that the folder holds a whole copy afterwards or
none. Small journals are not copied at all: the node begins an empty one of the same cluster and follows from its start.
"""

import asyncio
import logging
import secrets
import shutil
from hashlib import blake2b
from pathlib import Path

from ..journal.checkpoint_copy import copy_checkpoint
from ..journal.disk import RealDisk, publish, sync_folder
from ..journal.errors import BadSnapshot, failing_while
from ..journal.incoming import Incoming
from ..replicas.frames import (
    Accepted,
    Follow,
    Frame,
    Refused,
    Reports,
    SnapshotBegins,
    SnapshotEnds,
    SnapshotPart,
)
from ..replicas.link import Link
from ..replicas.peers import MakeLink
from ..replicas.ports import Network, parse_address
from ..replicas.promise import NAME as PROMISE
from .recovery import CHECKPOINT_FILE, JOURNAL_FOLDER

log = logging.getLogger("onsale.replication")

PART_BYTES = 256 * 1024
UNSENT_BYTES_MAX = 2 * 1024 * 1024
RETRY_SECONDS = 0.3
TOLD_BYTES = 64 * 1024 * 1024


class Newcomer:
    """Asks one source after the other until there is a copy in the folder."""

    def __init__(
        self, data: Path, sources: tuple[str, ...], network: Network, make_link: MakeLink, *, voting: bool
    ) -> None:
        self.trouble = ""
        self._data = data
        self._sources = sources
        self._network = network
        self._make_link = make_link
        self._voting = voting

    async def fetch(self) -> bytes | None:
        """The id of a journal to begin; None: a copy is complete, and to be installed."""
        hint = ""
        while True:
            for source in (hint, *self._sources):
                if not source:
                    continue
                attempt = _Attempt(self._data, voting=self._voting)
                link = self._make_link(attempt.opened, attempt.received, lambda _link: None, attempt.closed)
                self._network.dial(*parse_address(source), link)
                try:
                    return await attempt.outcome
                except _NotHere as refused:
                    hint = refused.leader if refused.leader != source else ""
                    if self.trouble != (trouble := f"{source}: {refused}"):
                        self.trouble = trouble
                        log.warning("no copy yet from %s", trouble)
                finally:
                    link.close()
            await asyncio.sleep(RETRY_SECONDS)


class _NotHere(Exception):
    def __init__(self, sentence: str, leader: str = "") -> None:
        super().__init__(sentence)
        self.leader = leader


class _Attempt:
    """One connection."""

    def __init__(self, data: Path, *, voting: bool) -> None:
        self.outcome: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._data = data
        self._voting = voting
        self._incoming: Incoming | None = None
        self._size_bytes = self._received_bytes = 0

    def opened(self, link: Link) -> None:
        link.send(Follow(seq=0, hash=b"", epoch=0, epochs=[], promised_epoch=0, voting=self._voting, blank=True))

    def received(self, _link: Link, frame: Frame) -> None:
        if self.outcome.done():
            return
        match frame:
            case Refused():
                self._fail(frame.sentence, frame.leader)
            case Accepted():  # its history is whole: no need for a copy
                self.outcome.set_result(frame.journal_id)
            case SnapshotBegins() | SnapshotPart() | SnapshotEnds():
                try:
                    self._snapshot(frame)
                except BadSnapshot as bad:
                    self._fail(str(bad))
            case Reports():
                pass
            case _:
                self._fail(f"it sent a {type(frame).__name__}, which was not expected")

    def _snapshot(self, frame: SnapshotBegins | SnapshotPart | SnapshotEnds) -> None:
        match frame:
            case SnapshotBegins():
                log.info("fetching a copy as of seq %d, %.1f MB", frame.seq, frame.size_bytes / 1e6)
                self._size_bytes = frame.size_bytes
                self._incoming = Incoming(self._data)
                self._incoming.begin(frame.size_bytes, frame.seq)
            case SnapshotPart() if self._incoming is not None:
                self._incoming.add(frame.data)
                before, self._received_bytes = self._received_bytes, self._received_bytes + len(frame.data)
                if before // TOLD_BYTES != self._received_bytes // TOLD_BYTES:
                    log.info("%.0f %% of the copy are here", 100 * self._received_bytes / max(self._size_bytes, 1))
            case SnapshotEnds() if self._incoming is not None:
                self._incoming.finish(frame.digest)
                self.outcome.set_result(None)
            case _:
                raise BadSnapshot("a part of a copy came before its beginning")

    def closed(self, _link: Link, reason: str) -> None:
        if not self.outcome.done():
            self._fail(reason or "the connection was closed")

    def _fail(self, sentence: str, leader: str = "") -> None:
        if not self.outcome.done():
            self.outcome.set_exception(_NotHere(sentence, leader))


def set_aside(data: Path, *, keep_promise: bool = True) -> Path | None:
    """Move what the folder holds out of the way, as `aside-<n>/`; None: there is nothing.

    The promise stays if `keep_promise`: what is the same node afterwards must not promise twice. Finishes what an
    earlier call began. Raises JournalFailed.
    """
    journal, following, checkpoint = data / JOURNAL_FOLDER, data / f"{JOURNAL_FOLDER}.next", data / CHECKPOINT_FILE
    with failing_while(f"setting aside what is in {data}"):
        if not journal.exists():
            if following.exists():
                following.rename(journal)
            return None
        old = RealDisk(journal)
        if set(old.names()) <= {PROMISE} and not checkpoint.exists():
            if not keep_promise and PROMISE in old.names():
                old.remove(PROMISE)
            return None
        number = 1
        while (aside := data / f"aside-{number}").exists():
            number += 1
        if following.exists():
            shutil.rmtree(following)
        new = RealDisk(following)
        if keep_promise and PROMISE in old.names():
            publish(new, PROMISE, old.read(PROMISE, 0, old.size_bytes(PROMISE)))
        aside.mkdir()
        # the journal last: as long as it is in place, the next call begins again
        for path in (*(checkpoint.with_name(checkpoint.name + suffix) for suffix in ("-wal", "-shm", "")), journal):
            if path.exists():
                path.rename(aside / path.name)
        following.rename(journal)
        sync_folder(aside)
        sync_folder(data)
    return aside


async def send_snapshot(link: Link, checkpoint: Path) -> None:
    """A copy of the checkpoint database, while it is written to."""
    target = checkpoint.with_name(f"{checkpoint.name}.sent-{secrets.token_hex(4)}")
    try:
        position = await asyncio.to_thread(copy_checkpoint, checkpoint, target)
        size_bytes = target.stat().st_size
        link.send(SnapshotBegins(size_bytes, position.seq))
        digest = blake2b(digest_size=32)
        with target.open("rb") as file:
            while part := await asyncio.to_thread(file.read, PART_BYTES):
                digest.update(part)
                link.send(SnapshotPart(part))
                while link.unsent_bytes > UNSENT_BYTES_MAX and link.is_open:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                if not link.is_open:
                    return
        link.send(SnapshotEnds(digest.digest()))
    finally:
        await asyncio.to_thread(target.unlink, missing_ok=True)
