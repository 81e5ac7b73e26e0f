"""What `onsale backup` and `onsale restore` did, for people and for programs.

Owns the words and the field names; the commands do the work.
"""

from pathlib import Path
from typing import Any

import click

from ...http.wire.times import format_ms
from ..backup.layout import Copy
from ..backup.restore import Restored
from ..backup.running import Archived
from ..backup.target import Target
from .output import print_table
from .verify_report import as_json, verdict


def words(archived: Archived) -> str:
    position = archived.position
    return f"up to seq {position.seq} (epoch {position.epoch}, {format_ms(position.at_ms)})"


def archived_as_json(archived: Archived) -> dict[str, Any]:
    position = archived.position
    return {
        "archivedSeq": position.seq,
        "epoch": position.epoch,
        "at": format_ms(position.at_ms),
        "litestream": archived.litestream,
    }


def copy_as_json(copy: Copy | None) -> dict[str, Any] | None:
    return None if copy is None else {"seq": copy.seq, "epoch": copy.epoch, "object": copy.folder}


def restored_as_json(restored: Restored, target: Target) -> dict[str, Any]:
    end = restored.end
    return {
        "target": target.address,
        "seq": end.seq,
        "epoch": end.epoch,
        "at": format_ms(end.at_ms),
        "checkpointFrom": restored.checkpoint_from or None,
        "notes": restored.notes,
        "verify": as_json(restored.report),
    }


def print_restored(restored: Restored, data: Path) -> None:
    end, report = restored.end, restored.report
    origin = f"at seq {report.checkpoint_seq}, from {restored.checkpoint_from}" if restored.checkpoint_from else "none"
    print_table(
        (),
        [
            ("brought back", f"everything up to seq {end.seq} (epoch {end.epoch}, {format_ms(end.at_ms)})"),
            ("journal", f"seq {report.first_seq} to {report.last_seq}, {report.segments} files"),
            ("checkpoint", origin),
            *(("note", sentence) for sentence in restored.notes),
        ],
    )
    click.echo(verdict(report))
    click.echo(
        f"{data} is ready for `onsale serve` or `onsale standby`. Access keys are not part of a backup: bring jwt.key "
        "back from elsewhere, or make new tokens with `onsale token`."
    )
