"""What a node would tell from its journal, made up: the API's tests have no journal."""

import msgspec

from onsale.http.render.reports import FairnessDocument, StoryDocument, ToldDocument

AT = "2026-06-01T08:00:00.000Z"


def a_report(kind: str, number: int) -> bytes:
    if kind == "fairness":
        return msgspec.json.encode(FairnessDocument(number, "N", True, "Fair.", [], [], [], 0, 0, None, 1, AT))
    told = [ToldDocument(1, AT, 1, "held", f"{kind} {number}", wanted=True)]
    return msgspec.json.encode(StoryDocument(None, told, [], 1))
