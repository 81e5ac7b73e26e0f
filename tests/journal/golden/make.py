"""Makes the golden folders of a version: what a node of it leaves on disk when it is killed.

    python tests/journal/golden/make.py NAME [--tree FOLDER]

FOLDER: what holds the package `onsale` as that version had it (`git archive COMMIT | tar -x -C FOLDER/onsale`); without
it, the code of today. Writes NAME-primary.tar.gz and NAME-standby.tar.gz beside this file, each with the segments and
the checkpoint of one node, and prints what `golden.json` has to say of them. What is there already is never made anew:
it is what customers have on their disks.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = ("journal", "checkpoint.sqlite", "checkpoint.sqlite-wal")
SEATS = {"sections": [{"name": "A", "ticketType": "Stalls", "rows": [{"name": "1", "seats": 6}]}]}


class Node:
    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onsale", *arguments, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd="/",
        )  # fmt: skip
        self.url, self.replication = "", ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print("   ", line, end="")
            found = re.search(r"serves (http://[\d.]+:\d+)(?: and replication at ([\d.]+:\d+))?", line)
            if found:
                self.url, self.replication = found[1], found[2] or ""
            if "no authentication" in line:
                return
        raise SystemExit(f"the node ended with {self.process.wait()}")

    def call(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """The answer, refusals too: they are facts where they have a key."""
        headers = {"Idempotency-Key": key} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


def a_day(node: Node, round_: int) -> None:
    """Some of everything that can be asked for; what a version does not know it refuses."""
    event = node.call("POST", "/events", {
        "name": f"Night {round_}", "startsAt": "2099-01-01T20:00:00Z", "maxPerUser": 4, "venue": "Hall",
        "ticketTypes": [
            {"name": "Standing", "price": "49.90", "capacity": 3}, {"name": "Box", "price": "0", "capacity": 2},
        ],
    })["id"]  # fmt: skip
    node.call("PUT", "/users/ada", {"name": "Ada", "email": "ada@example.org"})
    held = node.call(
        "POST", "/booking", {"userId": "ada", "eventId": event, "ticketType": "Standing", "quantity": 2}, f"k{round_}"
    )
    node.call("POST", "/pay", {"userId": "ada", "eventId": event, "amount": held["amount"]}, f"p{round_}")
    node.call("POST", f"/booking/{held['bookingId']}/refund", {"amount": "10.00"})
    node.call("POST", "/booking", {"userId": "ben", "eventId": event, "ticketType": "Standing"})
    declined = {"userId": "ben", "eventId": event, "amount": "49.90", "paymentMethod": "pm_card_chargeDeclined"}
    node.call("POST", "/pay", declined, f"d{round_}")
    waits = node.call("POST", "/booking", {"userId": "cleo", "eventId": event, "ticketType": "Standing"}, f"w{round_}")
    node.call("POST", "/booking", {"userId": "dan", "eventId": event, "ticketType": "Box"})
    node.call("DELETE", f"/booking/{waits['bookingId'] - 1}")  # ben's, so that cleo has her turn
    node.call("POST", "/booking", {"userId": "eve", "eventId": event, "ticketType": "Box", "quantity": 9}, f"r{round_}")
    node.call("PATCH", f"/events/{event}", {"venue": "The Other Hall"})
    room = node.call("POST", "/events", {
        "name": "Everyone", "startsAt": "2099-01-01T20:00:00Z", "waitingRoom": {"admitPerMinute": 6000},
        "ticketTypes": [{"name": "Stalls", "price": "80.00", "capacity": 6}], "seatMap": SEATS,
    })  # fmt: skip
    if "id" in room:
        token = node.call("POST", f"/events/{room['id']}/queue", {"userId": "fay"})["token"]
        time.sleep(0.5)
        booking = {"userId": "fay", "eventId": room["id"], "quantity": 2, "queueToken": token}
        print("   ", node.call("POST", "/booking", booking))
    gone = node.call("POST", "/events", {
        "name": "Gone", "startsAt": "2099-01-01T20:00:00Z",
        "ticketTypes": [{"name": "A", "price": "1.00", "capacity": 1}],
    })["id"]  # fmt: skip
    paid = node.call("POST", "/booking", {"userId": "ada", "eventId": gone})
    node.call("POST", "/pay", {"userId": "ada", "eventId": gone, "amount": paid["amount"]})
    node.call("POST", f"/events/{gone}/cancel")


def make(name: str, tree: Path | None, folder: Path, *, has_standbys: bool) -> None:
    environment = os.environ | ({"PYTHONPATH": str(tree)} if tree else {})
    serve = ["serve", "--data", str(folder / "primary"), "--hold-seconds", "1"]
    if has_standbys:
        serve += ["--replication", "127.0.0.1:0", "--name", "primary"]
    primary = Node(environment, *serve)
    a_day(primary, 1)
    time.sleep(1.5)  # what is held lapses
    primary.end(signal.SIGINT)  # with a checkpoint
    primary = Node(environment, *serve, *(("--sync-standbys", "1") if has_standbys else ()))
    nodes = [primary]
    if has_standbys:
        standby = ["standby", "--data", str(folder / "standby"), "--primary", primary.replication, "--name", "standby"]
        nodes.append(Node(environment, *standby))
        time.sleep(1)
    a_day(primary, 2)
    time.sleep(1.5)
    for node in nodes:
        node.end(signal.SIGKILL)
    for node_name in ("primary", "standby")[: len(nodes)]:
        data = folder / node_name
        said = subprocess.run(
            [sys.executable, "-m", "onsale", "verify", "--data", str(data), "--format", "json"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        report = json.loads(said.stdout)
        assert said.returncode == 0, report
        with tarfile.open(HERE / f"{name}-{node_name}.tar.gz", "x:gz", format=tarfile.USTAR_FORMAT) as archive:
            for kept in KEPT:
                with contextlib.suppress(FileNotFoundError):
                    archive.add(data / kept, kept)
        print(json.dumps({f"{name}-{node_name}": {key: report[key] for key in ("lastSeq", "chainHead", "stateHash")}}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--tree", type=Path)
    parser.add_argument("--alone", action="store_true", help="of a version that has no standbys")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_in:
        make(asked.name, asked.tree, Path(made_in), has_standbys=not asked.alone)
