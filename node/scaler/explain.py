"""What the scaler would do now, and why: for people and for programs.

Owns what is shown. Asks once, decides as the scaler does, and changes nothing: neither replicas nor what is written
down.
"""

import math
import time
from typing import Any

from .asking import make_session
from .decision import Hold, Step, Verdict, decide, number, seconds
from .readings import SECOND_LOOK_SECONDS, Readings
from .rules import Rules
from .running import begin, known_state
from .state_file import State, StateFile

STEPS_SHOWN = 5


async def explain(rules: Rules) -> dict[str, Any]:
    """The document that is printed. Raises CannotBegin."""
    state, begun = known_state(StateFile(rules.state), rules.plan, time.time(), changes=False)
    async with make_session() as session:
        if not begun:
            await begin(rules, state, lambda: None, session, begun=False, dry_run=True)
        readings = await Readings(rules, session, again_seconds=SECOND_LOOK_SECONDS).read()
    now = time.time()
    joining = sum(
        not each.admitted and not each.leaving and now - each.since <= rules.join_seconds for each in state.replicas
    )
    decision, _ = decide(rules.plan, readings, now, state.memory, joining=joining)
    return document(rules, state, decision, now, begun=begun)


def document(rules: Rules, state: State, decision: Step | Hold, now: float, *, begun: bool) -> dict[str, Any]:
    plan, memory = rules.plan, state.memory
    cool_down = plan.after_up_seconds if memory.stepped == "up" else plan.after_down_seconds
    left = max(cool_down - (now - memory.stepped_at), 0.0) if memory.stepped else 0.0
    return {
        "wanted": memory.wanted,
        "least": plan.least,
        "most": plan.most,
        "decision": "step" if isinstance(decision, Step) else "hold",
        "wouldWant": decision.wanted,
        "sentence": decision.sentence,
        "blockedBy": decision.blocked if isinstance(decision, Hold) else "",
        "coolDownLeftSeconds": round(left, 1),
        "isKnown": all(each.way != "unknown" for each in decision.verdicts),
        "rules": [_verdict(each) for each in decision.verdicts],
        "replicas": [
            {"name": each.name, "address": each.address, "state": _state(each.admitted, each.leaving)}
            for each in state.replicas
        ],
        "lastSteps": [
            {"at": _instant(each.at), "from": each.wanted_before, "to": each.wanted, "sentence": each.sentence}
            for each in state.steps[-STEPS_SHOWN:]
        ],
        "lastDecision": {"at": _instant(state.decided_at), "sentence": state.decided} if state.decided else None,
        "hasRun": begun,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    rule, value = verdict.rule, verdict.reading.value
    return {
        "name": rule.name,
        "source": str(rule.source),
        "reading": value if value is not None and math.isfinite(value) else None,
        "upAbove": rule.up_above,
        "downBelow": rule.down_below,
        "says": verdict.way,
        "wish": verdict.wish,
        "waitsSeconds": round(verdict.waits_seconds, 1),
        "sentence": verdict.sentence,
    }


def _state(admitted: bool, leaving: bool) -> str:  # noqa: FBT001 - two facts, both said
    return "leaving" if leaving else "serving" if admitted else "joining"


def _instant(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def table(told: dict[str, Any]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Rows of the rules' table, and the lines below it."""
    rows: list[tuple[str, ...]] = [
        (
            each["name"],
            "?" if each["reading"] is None else number(each["reading"]),
            number(each["downBelow"]),
            number(each["upAbove"]),
            _says(each, told["wanted"]),
            each["sentence"],
        )
        for each in told["rules"]
    ]
    would = f"would go from {told['wanted']} to {told['wouldWant']}" if told["decision"] == "step" else "would hold"
    lines = [f"replicas: {told['wanted']} wanted, between {told['least']} and {told['most']}; {would}."]
    lines.append(told["sentence"])
    if told["coolDownLeftSeconds"]:
        lines.append(f"Cool-down: {seconds(told['coolDownLeftSeconds'])} left.")
    lines += [f"{each['name']:<16} {each['address']:<22} {each['state']}" for each in told["replicas"]]
    lines += [f"{each['at']}  step {each['sentence']}" for each in told["lastSteps"]]
    if told["lastDecision"] is not None:
        lines.append(f"{told['lastDecision']['at']}  last decision: {told['lastDecision']['sentence']}")
    if not told["hasRun"]:
        lines.append(f"No scaler has run with this `state` yet: it would begin with what it finds ({told['wanted']}).")
    return rows, lines


def _says(rule: dict[str, Any], wanted: int) -> str:
    if rule["waitsSeconds"]:
        return f"{rule['says']}, soon"
    return str(rule["says"]) if rule["wish"] == wanted else f"{rule['says']} to {rule['wish']}"


COLUMNS = ("rule", "reading", "down below", "up above", "says", "why")
NUMBERS = (1, 2, 3)
