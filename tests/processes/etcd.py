"""A real etcd of several members on loopback for tests, and a way to cut one node off everything."""

import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self

from nodes import free_port

PROGRAM = shutil.which("etcd")
START_SECONDS_MAX = 20.0
FIRST_GROUP = 47_100  # of processes: what a rule about packets tells a node by


class Etcd:
    """`members` of them, as processes of their own; ended with `end`."""

    def __init__(self, folder: Path, members: int = 3) -> None:
        assert PROGRAM is not None
        self._folder = folder
        self._ports = [(free_port(), free_port()) for _ in range(members)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{client}" for client, _ in self._ports]

    @property
    def flag(self) -> str:
        return ",".join(self.urls)

    def __enter__(self) -> Self:
        try:
            for number in range(len(self._ports)):
                self.start(number)
            self.wait()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, number: int) -> None:
        client, peer = self._ports[number]
        cluster = ",".join(f"m{each}=http://127.0.0.1:{port}" for each, (_, port) in enumerate(self._ports))
        arguments = {
            "name": f"m{number}",
            "data-dir": str(self._folder / f"etcd-{number}"),
            "listen-client-urls": f"http://127.0.0.1:{client}",
            "advertise-client-urls": f"http://127.0.0.1:{client}",
            "listen-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-cluster": cluster,
            "initial-cluster-state": "new",
            "log-level": "error",
        }
        flags = [part for name, value in arguments.items() for part in (f"--{name}", value)]
        log = (self._folder / f"etcd-{number}.log").open("ab")
        self._processes[number] = subprocess.Popen([PROGRAM or "", *flags], stdout=log, stderr=log)
        log.close()

    def wait(self) -> None:
        """Until one of those that run says that it is well, which takes a majority."""
        given_up_at = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < given_up_at:
            for number in self._processes:
                try:
                    with urllib.request.urlopen(f"{self.urls[number]}/health", timeout=1) as answer:
                        if b'"true"' in answer.read():
                            return
                except OSError:
                    pass
            time.sleep(0.05)
        raise AssertionError(f"etcd is not well within {START_SECONDS_MAX} s: see {self._folder}")

    def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        process.kill()
        process.wait()

    def end(self) -> None:
        for number in list(self._processes):
            self.kill(number)


def can_cut_off() -> bool:
    """Whether packets may be dropped here."""
    if os.geteuid() or shutil.which("iptables") is None:
        return False
    return not subprocess.run(["iptables", "-w", "-n", "-L", "OUTPUT"], capture_output=True, check=False).returncode


class CutOff:
    """No packet of the processes of this group leaves them, while it is entered."""

    def __init__(self, group: int) -> None:
        self._rule = ["OUTPUT", "-m", "owner", "--gid-owner", str(group), "-j", "DROP"]
        self._cut = False

    def __enter__(self) -> Self:
        subprocess.run(["iptables", "-w", "-I", *self._rule], check=True, capture_output=True)
        self._cut = True
        return self

    def __exit__(self, *_: object) -> None:
        self.mend()

    def mend(self) -> None:
        if self._cut:
            self._cut = False
            subprocess.run(["iptables", "-w", "-D", *self._rule], check=True, capture_output=True)
