"""`onsale verify --fairness EVENT`: the order of arrival against the order of service, for people and for programs.

Owns the words and the field names of the report; engine/audit/fairness.py finds, this tells.
"""

from collections.abc import Iterator
from typing import Any

from ...engine.audit.fairness_report import RULES, Deviation, Fairness, Order
from ...http.wire.times import format_ms
from .output import note, print_table

SHOWN_MAX = 50  # exceptions, in a table; JSON has them all


def as_json(report: Fairness) -> dict[str, Any]:
    draw = report.draw
    return {
        "eventId": report.event_id,
        "name": report.name,
        "fair": report.is_fair,
        "sinceSeq": report.since_seq,
        "waitlist": report.waitlist,
        "maxPerUser": report.max_per_user,
        "mostTicketsOfAUser": report.most_tickets,
        "servedAtOnce": report.at_once,
        "suspected": report.suspected,
        "waitingRoom": None if report.room is None else _order_as_json(report.room),
        "lot": None
        if draw is None
        else {
            "commitment": draw.commitment,
            "seed": draw.seed,
            "proven": draw.proven,
            "people": len(draw.arrivals),
            "arrivals": draw.arrivals,
        },
        "lines": [{"ticketTypeId": number, **_order_as_json(order)} for number, order in sorted(report.lines.items())],
        "rules": {
            rule: {"count": count, "words": RULES[rule][0], "allowed": RULES[rule][1]}
            for rule, count in report.by_rule.items()
        },
        "exceptions": [_deviation_as_json(each) for each in report.deviations],
        "refusedAtAnyEvent": report.refused,
    }


def _order_as_json(order: Order) -> dict[str, Any]:
    return {"name": order.name, "joined": order.joined, "served": order.served, "waiting": order.waiting}


def _deviation_as_json(each: Deviation) -> dict[str, Any]:
    return {
        "rule": each.rule,
        "allowed": RULES[each.rule][1],
        "userId": each.user_id,
        "place": each.place,
        "joinedSeq": each.joined_seq,
        "seq": each.seq,
        "at": format_ms(each.at_ms),
        "arrival": each.arrival or None,
        "number": each.number or None,
        "bookingId": each.booking_id or None,
        "detail": each.detail,
    }


def print_report(report: Fairness) -> None:
    print_table((), list(summary_lines(report)))
    if report.by_rule:
        rows = [
            (rule, f"{count:,}", "allowed" if RULES[rule][1] else "NOT ALLOWED", RULES[rule][0])
            for rule, count in report.by_rule.items()
        ]
        print_table(("rule", "people", "", "what it says"), rows, numbers=(1,))
    # what is not allowed first
    worst_first = sorted(report.deviations, key=lambda each: RULES[each.rule][1])
    if worst_first:
        head = ("seq", "time", "user", "where", "came at seq", "number", "exception")
        print_table(head, [_row(each) for each in worst_first[:SHOWN_MAX]], numbers=(0, 4, 5))
    if len(worst_first) > SHOWN_MAX:
        note(f"{len(worst_first):,} exceptions; here are {SHOWN_MAX}. --format json has them all.")


def summary_lines(report: Fairness) -> Iterator[tuple[str, str]]:
    """What, and how it is, in words."""
    yield "event", f'{report.event_id} "{report.name}", waitlist {report.waitlist}'
    if report.since_seq:
        yield "note", f"up to seq {report.since_seq} the journal is gone; what is told begins there"
    if report.room is not None:
        yield "waiting room", f"{_order(report.room)}, in the order of their numbers"
    if report.draw is not None:
        how = "PROVEN: the seed is what was committed to" if report.draw.proven else "NOT what was committed to"
        yield "lot", f"{len(report.draw.arrivals):,} people; {how}, {report.draw.commitment}"
        yield "seed", report.draw.seed
    yield "at once", f"{report.at_once:,} bookings got tickets when they asked"
    for _, order in sorted(report.lines.items()):
        yield f"line, {order.name}", f"{_order(order)}, in the order of joining"
    yield "limit", f"{report.max_per_user} tickets a user; the most that anybody had: {report.most_tickets}"
    if report.suspected:
        yield "suspected", f"{report.suspected:,} bookings and places that may be a program's (see onsale inspect)"
    if report.refused:
        refused = ", ".join(f"{count:,} {code}" for code, count in sorted(report.refused.items()))
        yield "refused", f"at any event, where an Idempotency-Key was sent: {refused}"


def _order(order: Order) -> str:
    return f"{order.joined:,} came, {order.served:,} served, {order.waiting:,} still wait"


def exception_words(each: Deviation) -> str:
    return RULES[each.rule][0] + (f" ({each.detail})" if each.detail else "")


def _row(each: Deviation) -> tuple[str, ...]:
    words = exception_words(each)
    booking = f"booking {each.booking_id}: " if each.booking_id else ""
    number = str(each.number) if each.number else "-"
    return (
        str(each.seq), format_ms(each.at_ms), each.user_id or "-", each.place or "-", str(each.joined_seq), number,
        booking + words,
    )  # fmt: skip


def verdict(report: Fairness) -> str:
    """One sentence."""
    allowed = sum(count for rule, count in report.by_rule.items() if RULES[rule][1])
    if report.is_fair:
        return (
            f"Fair: the order of service is the order of arrival, but for {allowed:,} exceptions, each by a rule."
            if allowed
            else "Fair: the order of service is the order of arrival, without exception."
        )
    broken = sum(count for rule, count in report.by_rule.items() if not RULES[rule][1])
    first = next(each for each in report.deviations if not RULES[each.rule][1])
    return f"NOT fair: {broken:,} exceptions that no rule allows; the first at seq {first.seq}: {RULES[first.rule][0]}."
