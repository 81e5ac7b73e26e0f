"""Litestream as a child process: started for the epoch that goes on, again when it dies, ended when we end.

Owns the process, and the claim that keeps two nodes' Litestreams from writing to one replica: whoever comes first
replicates the checkpoint of an epoch, the others archive their journals alone.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..identity import NODE_FILE, Identity
from .layout import digest_of, owner_name
from .litestream import Binary, configuration, environment, replicate_command, write_configuration
from .target import NotThereError, Target

BACK_OFF_SECONDS = 1.0
BACK_OFF_SECONDS_MAX = 60.0
STEADY_SECONDS = 60.0  # who ran for so long starts again at once
STOP_SECONDS = 15.0
STANDARD_ERROR = 2  # our own, which the child has as its own too
_PR_SET_PDEATHSIG = 1

Tell = Callable[[str], None]


class Owner(msgspec.Struct, frozen=True):
    """The node that replicates its checkpoint: `id` is from its data folder, the rest is for people."""

    id: str
    host: str
    data: str

    def __str__(self) -> str:
        return f"node {self.id[:8]} ({self.data} on {self.host})"


def this_node(data: Path) -> Owner:
    """Without an id, which every folder has that a node was started with, it is known by where it is."""
    host, path = socket.gethostname(), str(data.absolute())
    try:
        identity = msgspec.json.decode((data / NODE_FILE).read_bytes(), type=Identity)
    except (OSError, msgspec.MsgspecError):
        return Owner(digest_of(f"{host}:{path}".encode()), host, path)
    return Owner(identity.id, host, path)


def claim(target: Target, epoch: int, owner: Owner, *, take_over: bool = False) -> Owner:
    """Whose Litestream replicates the checkpoint of `epoch`: `owner` from now on, if it was nobody's. TargetFailed."""
    name = owner_name(epoch)
    if not take_over:
        try:
            return msgspec.json.decode(target.get(name), type=Owner)
        except (NotThereError, msgspec.MsgspecError):
            pass
    target.put(name, msgspec.json.encode(owner))
    return msgspec.json.decode(target.get(name), type=Owner)  # of two that claim at once, the last one has it


class Replication:
    """`state` is "off", "running" or "waiting" (for its next start)."""

    def __init__(
        self,
        binary: Binary,
        settings: Path,
        checkpoint: Path,
        target: Target,
        *,
        interval_seconds: float,
        tell: Tell,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch: int | None = None
        self._binary = binary
        self._settings = settings
        self._checkpoint = checkpoint
        self._target = target
        self._interval_seconds = interval_seconds
        self._tell = tell
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._back_off_seconds = BACK_OFF_SECONDS

    @property
    def state(self) -> str:
        if self.epoch is None:
            return "off"
        return "running" if self._child is not None and self._child.poll() is None else "waiting"

    @property
    def process_id(self) -> int | None:
        return None if self._child is None else self._child.pid

    def follow(self, epoch: int | None) -> None:
        """Replicate to the replica of this epoch, and to no other one; None: to none at all."""
        if epoch == self.epoch:
            return
        self.stop()
        self.epoch = epoch
        if epoch is not None:
            content = configuration(self._checkpoint, self._target, epoch, self._binary.format, self._interval_seconds)
            write_configuration(self._settings, content)
            self._start()

    def tend(self) -> None:
        """Start it again when it has died, the later the more often it does."""
        if self.epoch is None or (self._child is None and self._seconds() < self._start_at):
            return
        if self._child is None:
            self._start()
            return
        code = self._child.poll()
        if code is None:
            return
        now = self._seconds()
        if now - self._started_at >= STEADY_SECONDS:
            self._back_off_seconds = BACK_OFF_SECONDS
        self._child = None
        self._start_at = now + self._back_off_seconds
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        self._tell(
            f"Litestream ended ({how}); it is started again in {self._back_off_seconds:.0f} s. The journal is archived "
            "meanwhile."
        )
        self._back_off_seconds = min(self._back_off_seconds * 2, BACK_OFF_SECONDS_MAX)

    def stop(self) -> None:
        """Let it copy what is left, then be gone."""
        child, self._child, self.epoch = self._child, None, None
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _start(self) -> None:
        """In a session of its own, so that Ctrl-C reaches it through us alone; its words go to standard error."""
        parent = os.getpid()
        self._started_at = self._seconds()
        self._child = subprocess.Popen(
            replicate_command(self._binary.path, self._settings),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=STANDARD_ERROR,
            start_new_session=True,
            preexec_fn=(lambda: _end_with(parent)) if _libc else None,  # noqa: PLW1509 - it takes no lock
        )


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, be it by kill -9: two must never write to one replica."""
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
