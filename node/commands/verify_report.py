"""What `onsale verify` found, for people and for programs.

Owns the words and the field names of the report; `verify.py` finds, this tells.
"""

from typing import Any

from ...engine.money import format_minor
from ...http.wire.times import format_ms
from . import fairness
from .output import print_table
from .verify import Finding, Report


def as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.findings,
        "data": str(report.data),
        "journalId": report.journal_id,
        "segments": report.segments,
        "sizeBytes": report.size_bytes,
        "firstSeq": report.first_seq,
        "lastSeq": report.last_seq,
        "epoch": report.epoch,
        "chainHead": report.chain_head,
        "stateHash": report.state_hash,
        "checkpointSeq": report.checkpoint_seq,
        "checkpointAgrees": report.checkpoint_agrees,
        "headAgrees": report.head_agrees,
        "facts": report.facts,
        "events": report.events,
        "bookings": report.bookings,
        "money": {
            currency: {
                "paid": format_minor(money.paid_minor, currency),
                "refunded": format_minor(money.refunded_minor, currency),
                "refunding": format_minor(money.refunding_minor, currency),
            }
            for currency, money in report.money.items()
        },
        "notes": report.notes,
        "faults": [_finding_as_json(finding) for finding in report.findings],
        "faultsInAll": report.findings_in_all,
        "seconds": round(report.seconds, 3),
        "factsPerSecond": _facts_per_second(report),
    } | ({} if report.fairness is None else {"fairness": fairness.as_json(report.fairness)})


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "seq": finding.seq,
        "at": None if finding.at_ms is None else format_ms(finding.at_ms),
        "segment": finding.segment,
        "offset": finding.offset,
    }


def print_report(report: Report) -> None:
    rows = [
        ("journal", f"{_count(report.segments, 'segment')}, {report.size_bytes:,} bytes, id {report.journal_id}"),
        ("facts", f"{report.facts:,} (seq {report.first_seq} to {report.last_seq}, epoch {report.epoch})"),
        ("events", f"{report.events:,}"),
        ("bookings", ", ".join(f"{count:,} {status}" for status, count in report.bookings.items()) or "none"),
    ]
    for currency, money in report.money.items():
        sums = (money.paid_minor, money.refunded_minor, money.refunding_minor)
        if any(sums):
            paid, refunded, refunding = (format_minor(minor, currency) for minor in sums)
            rows.append((f"money, {currency}", f"{paid} in, {refunded} out, {refunding} on its way back"))
    rows += [
        ("chain head", report.chain_head),
        ("state hash", report.state_hash),
        ("checkpoint", _checkpoint(report)),
        ("time", f"{report.seconds:.2f} s, {_facts_per_second(report):,} facts/s"),
    ]
    if report.head_agrees is not None:
        rows.append(("published head", "agrees" if report.head_agrees else "DIFFERS"))
    rows += [("note", sentence) for sentence in report.notes]
    print_table((), rows)
    if report.fairness is not None:
        fairness.print_report(report.fairness)
    if report.findings:
        print_table(("seq", "segment", "byte", "fault"), [_row(finding) for finding in report.findings], numbers=(0, 2))


def _checkpoint(report: Report) -> str:
    if report.checkpoint_seq is None:
        return "none"
    agrees = {True: ", agrees", False: ", DIFFERS", None: ", not compared"}[report.checkpoint_agrees]
    return f"at seq {report.checkpoint_seq}{agrees}"


def _row(finding: Finding) -> tuple[str, ...]:
    def cell(value: object) -> str:
        return "-" if value is None else str(value)

    return cell(finding.seq), cell(finding.segment), cell(finding.offset), finding.what


def verdict(report: Report) -> str:
    """One sentence."""
    if not report.findings:
        return (
            "No fault: the chain is whole, nothing was sold twice, nobody was passed, the money adds up, and every key "
            "was applied once."
        )
    first = report.findings[0]
    where = f" in {first.segment} at byte {first.offset}" if first.segment else ""
    at = f" (seq {first.seq})" if first.seq is not None else ""
    return f"{_count(report.findings_in_all, 'fault')}; the first{where}{at}: {first.what}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _facts_per_second(report: Report) -> int:
    return int(report.facts / report.seconds) if report.seconds else 0
