"""`onsale restore`: a data folder made of what a backup holds.

Owns the order: the longest chain of archived parts, a checkpoint that stands on it, the same checks as `onsale verify`,
and only then a folder that a node may start with. Promises that the folder is left as it was when anything is wrong,
and that nothing is left out in silence.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from ...journal.batch import SEQ_MAX, Position
from ...journal.checkpoint import Loaded
from ...journal.disk import RealDisk
from ...journal.reader import position_at
from ...journal.recovery import create_journal
from ..commands.verify import Report, verify
from ..recovery import CHECKPOINT_FILE, JOURNAL_FOLDER
from .chain import Place, Search, write_segments
from .checkpoints import Checkpoints, remove_database
from .fetcher import Fetcher
from .layout import JOURNAL_ID, Contents, Part, contents_of
from .litestream import Binary
from .target import NotThereError, Target

STAGING = "restoring"

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class FolderNotEmpty(Exception):
    """There is something in the folder already."""


class NothingToRestore(Exception):
    """The target has no backup, or none that can be used as things are; the message says what is missing."""


class DamagedBackup(Exception):
    """Facts that were archived can't be brought back; the message names the place."""


class Restored(msgspec.Struct):
    """What is in the folder now, and what is not, in sentences."""

    report: Report
    end: Position
    checkpoint_from: str  # empty: the journal alone
    notes: list[str]


def refuse_unless_empty(data: Path) -> None:
    """What an interrupted restore left counts as nothing. Raises FolderNotEmpty."""
    found = {path.name for path in data.iterdir()} if data.is_dir() else set()
    leftovers = {STAGING, CHECKPOINT_FILE, "lost+found"} if STAGING in found else {"lost+found"}
    if found - leftovers:
        raise FolderNotEmpty(
            f"{data} is not empty: a restore never touches what is there. Give a new folder with --data, or move this "
            "one's content away."
        )


def restore(
    target: Target,
    data: Path,
    *,
    epoch_max: int | None,
    binary: Binary | None,
    accept_data_loss: bool,
    progress: Progress,
) -> Restored:
    """Raises FolderNotEmpty, NothingToRestore, DamagedBackup, TargetFailed, OSError, and what `verify` raises."""
    refuse_unless_empty(data)
    staging = data / STAGING
    _remove_leftovers(data)
    staging.mkdir(parents=True)
    try:
        restored = _Restoration(target, staging, epoch_max, binary, progress).run(accept_data_loss=accept_data_loss)
        _put_in_place(staging, data)
    except BaseException:
        _remove_leftovers(data)
        raise
    restored.report.data = data
    return restored


def _remove_leftovers(data: Path) -> None:
    if (data / STAGING).is_dir():
        remove_database(data / CHECKPOINT_FILE)
        shutil.rmtree(data / STAGING)


def _put_in_place(staging: Path, data: Path) -> None:
    """The journal last: a folder with a checkpoint alone is refused by a node, and restored anew by the next run."""
    journal = RealDisk(staging / JOURNAL_FOLDER)
    for name in journal.names():
        file = journal.open(name)
        try:
            file.sync()
        finally:
            file.close()
    journal.sync_folder()
    for path in (*journal.root.iterdir(), staging / CHECKPOINT_FILE):
        with suppress(FileNotFoundError):
            path.chmod(0o640)
    with suppress(FileNotFoundError):
        (staging / CHECKPOINT_FILE).rename(data / CHECKPOINT_FILE)
    (staging / JOURNAL_FOLDER).rename(data / JOURNAL_FOLDER)
    RealDisk(data).sync_folder()
    shutil.rmtree(staging)


class _Restoration:
    def __init__(
        self, target: Target, staging: Path, epoch_max: int | None, binary: Binary | None, progress: Progress
    ) -> None:
        self.target = target
        self.staging = staging
        self.progress = progress
        self.contents = self._contents(SEQ_MAX if epoch_max is None else epoch_max)
        self.checkpoints = Checkpoints(
            target, self.contents, staging, binary, SEQ_MAX if epoch_max is None else epoch_max, progress
        )
        self.notes = self.checkpoints.notes
        self.disk = RealDisk(staging / JOURNAL_FOLDER)
        self.journal_id = self._journal_id()

    def _contents(self, epoch_max: int) -> Contents:
        there = contents_of(self.target.list("epoch-"))
        if there.is_empty:
            raise NothingToRestore(f"There is no backup in {self.target.address}. Check the address.")
        wanted = there.through(epoch_max)
        if wanted.is_empty:
            raise NothingToRestore(f"The backup in {self.target.address} has nothing of epoch {epoch_max} or before.")
        return wanted

    def _journal_id(self) -> bytes | None:
        with suppress(NotThereError, ValueError):
            return bytes.fromhex(self.target.get(JOURNAL_ID).decode("ascii", "replace").strip())
        return None

    def run(self, *, accept_data_loss: bool) -> Restored:
        cache = self.staging / "parts"
        cache.mkdir()
        with Fetcher(self.target, cache, self.contents.parts, self.progress) as fetcher:
            search = Search(self.contents.parts, fetcher.fetch, self.journal_id).run() if self.contents.parts else None
            found = self._fit_together(search, fetcher.fetch)
        shutil.rmtree(cache)
        if found is None:
            raise self._nothing(search)
        origin, end, first_seq = found
        self._tell_of_damage(search, end, first_seq, accept_data_loss=accept_data_loss)
        report = verify(self.staging, self.progress)
        if report.findings:
            first = report.findings[0]
            place = f" (seq {first.seq}, {first.segment}, byte {first.offset})" if first.segment else ""
            raise DamagedBackup(
                f"What came back does not keep the promises: {first.what}{place}; {report.findings_in_all} such in "
                "all. Nothing was put in place. Try an earlier epoch with --epoch N."
            )
        return Restored(report, end, origin, self.notes)

    def _fit_together(self, search: Search | None, fetch: Callable[[Part], bytes]) -> tuple[str, Position, int] | None:
        """Put the chain that reaches farthest in place, of those that begin with seq 1 or that a checkpoint stands on.

        Gives where the checkpoint is from, where the folder ends with it, and the first seq of the journal.
        """
        chains = search.chains if search is not None else []
        for chain in chains:
            for name in self.disk.names():
                self.disk.remove(name)
            write_segments(chain, fetch, self.disk.root)
            found = self._fetch_checkpoint(chain)
            if found is not None:
                return found
            if chain.first_seq == 1 and chain.position is not None:
                return "", chain.position, 1
        return None if chains else self._fetch_checkpoint(None)

    def _fetch_checkpoint(self, chain: Place | None) -> tuple[str, Position, int] | None:
        """Put the newest checkpoint that fits the chain in place."""
        end = None if chain is None else chain.position
        for origin, loaded in self.checkpoints.newest_first():
            stored = loaded.position
            at = Position(stored.seq, stored.chain_hash, stored.epoch, stored.at_ms)
            if self.journal_id is not None and stored.journal_id != self.journal_id:
                self.checkpoints.not_used(origin, "it is of another journal")
            elif chain is None or end is None or (at.epoch, at.seq) > (end.epoch, end.seq):
                self._begin_behind(loaded, at, end)
                return origin, at, at.seq + 1
            elif at.seq < chain.first_seq - 1:
                why = f"it stands at seq {at.seq}, and the archived journal goes back to seq {chain.first_seq}"
                self.checkpoints.not_used(origin, why)
            elif (found := position_at(self.disk, at.seq)) is None or found.hash != at.hash:
                self.checkpoints.not_used(origin, f"it stands at seq {at.seq} of a history that was cut off there")
            else:
                return origin, end, chain.first_seq
            loaded.path.unlink()
        return None

    def _begin_behind(self, loaded: Loaded, at: Position, end: Position | None) -> None:
        """The checkpoint was copied sooner than the facts that lead to it: the journal begins anew behind it."""
        for name in self.disk.names():
            self.disk.remove(name)
        create_journal(self.disk, loaded.position.journal_id, before=at)
        archived = "no facts are archived" if end is None else f"the archived facts end with seq {end.seq}"
        self.notes.append(
            f"The checkpoint stands at seq {at.seq} and {archived}: everything up to it is there, and the journal "
            "begins behind it."
        )

    # --- what is not there

    def _tell_of_damage(self, search: Search | None, end: Position, first_seq: int, *, accept_data_loss: bool) -> None:
        """Raises DamagedBackup where facts are lost that the names of the parts promise, unless that is accepted."""
        if search is None:
            return
        first = f"The first fault: {search.damaged[0]}." if search.damaged else "Objects between them are missing."
        if (end.epoch, end.seq) < search.goal:
            epoch, seq = search.goal
            lost = f"The backup reaches seq {seq} of epoch {epoch}, but what is whole ends with seq {end.seq}. {first}"
            if not accept_data_loss:
                raise DamagedBackup(
                    f"{lost} Nothing was put in place. To go on with what is whole, say --accept-data-loss."
                )
            self.notes.append(lost)
        elif search.damaged:
            gone = f"The facts before seq {first_seq} are not there, only what they led to. " if first_seq > 1 else ""
            self.notes.append(f"{gone}Objects of the backup are damaged that were not needed. {first}")

    def _nothing(self, search: Search | None) -> Exception:
        reasons = "".join(f" {note}" for note in self.notes)
        if search is None or not search.chains:
            if search is not None and search.damaged:
                return DamagedBackup(
                    f"No part of the backup can be used. The first fault: {search.damaged[0]}.{reasons}"
                )
            return NothingToRestore(f"There is nothing in {self.target.address} that can be used.{reasons}")
        first_seq = search.chains[0].first_seq
        why = f"The archived journal goes back to seq {first_seq}, and no checkpoint holds what came before."
        if search.damaged:
            return DamagedBackup(f"{why} The first fault: {search.damaged[0]}.{reasons}")
        return NothingToRestore(why + reasons)
