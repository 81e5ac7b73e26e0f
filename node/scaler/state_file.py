"""What the scaler must know after its own restart: how many it wanted, when it last stepped, and what it started.

Owns the file scaler.json in its folder. Promises that the file is whole at every moment, and that one that can't be
read is set aside, never written over. Shown by `onsale scaler --explain`.
"""

import os
from pathlib import Path

import msgspec

from ...journal.disk import sync_folder
from .decision import Memory

STATE_FILE = "scaler.json"
VERSION = 1
STEPS_KEPT = 50


class Process(msgspec.Struct):
    """One that was started here. `process_id` 0: it was about to be. Together with when it started, by the kernel's
    own count since `boot`, it can be no other process.
    """

    name: str
    number: int
    address: str
    sources: list[str]
    process_id: int = 0
    started_ticks: int = 0
    boot: str = ""


class KnownReplica(msgspec.Struct):
    """`since`: when it was first seen. `admitted`: requests are sent there. `leaving`: it is to be stopped."""

    name: str
    address: str
    number: int
    since: float
    admitted: bool = False
    leaving: bool = False


class TakenStep(msgspec.Struct):
    at: float
    wanted_before: int
    wanted: int
    sentence: str


class State(msgspec.Struct):
    memory: Memory
    version: int = VERSION
    replicas: list[KnownReplica] = []
    processes: list[Process] = []
    steps: list[TakenStep] = []
    decided_at: float = 0.0
    decided: str = ""


class StateFile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / STATE_FILE
        self._written = b""

    def load(self) -> tuple[State | None, str]:
        """The state; None where there is none to go by, and why in a sentence (empty: this is the first start)."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{self.path} can't be read: {error.strerror}"
        try:
            state = msgspec.json.decode(text, type=State)
        except (ValueError, RecursionError) as error:  # of msgspec, and what is no UTF-8
            return None, f"{self.path} is damaged ({error})"
        if state.version != VERSION:
            return None, f"{self.path} was written by another version ({state.version}, not {VERSION})"
        return state, ""

    def set_aside(self) -> Path:
        """Keep what can't be read under another name. Raises OSError."""
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        return aside

    def save(self, state: State) -> None:
        """Raises OSError."""
        text = msgspec.json.format(msgspec.json.encode(state), indent=1)
        if text == self._written:
            return
        replace_file(self.path, text)
        self._written = text


def replace_file(path: Path, content: bytes) -> None:
    """Whoever reads it finds what was there or what is there now, nothing between. Raises OSError."""
    temporary = path.with_name(f".{path.name}.new")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with temporary.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
