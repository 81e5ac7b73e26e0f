"""What a node tells from its journal, in words: the story of a booking or of a position, and whether an event was fair.

Owns the field names of these JSON documents. A report takes as long as the journal is long, so its answer says how far
it has got, or has the report in it.
"""

import msgspec


class ProgressOfReading(msgspec.Struct, rename="camel"):
    """In facts; `total` 0: it is not known yet."""

    done: int
    total: int


class ToldDocument(msgspec.Struct, rename="camel"):
    """A fact in words."""

    seq: int
    at: str
    epoch: int
    type: str
    words: str
    wanted: bool  # asked for, and not just a neighbour of what was


class StoryDocument(msgspec.Struct, rename="camel"):
    headline: str | None  # a booking in a sentence
    told: list[ToldDocument]
    notes: list[str]
    through_seq: int  # so far the journal was read


class RuleDocument(msgspec.Struct, rename="camel"):
    """A rule, and how many people were not served in the order of coming by it."""

    rule: str
    count: int
    words: str
    allowed: bool


class ExceptionDocument(msgspec.Struct, rename="camel"):
    rule: str
    allowed: bool
    user_id: str
    place: str
    joined_seq: int
    seq: int
    at: str
    booking_id: int | None
    words: str


class SummaryDocument(msgspec.Struct, rename="camel"):
    what: str
    words: str


class FairnessDocument(msgspec.Struct, rename="camel"):
    event_id: int
    name: str
    fair: bool
    verdict: str
    summary: list[SummaryDocument]
    rules: list[RuleDocument]
    exceptions: list[ExceptionDocument]  # what is not allowed first; a bounded number of them
    exceptions_in_all: int
    faults: int  # that the auditor found, in whatever event
    first_fault: str | None
    through_seq: int  # so far the journal was read
    at: str | None  # when that was decided; null: it was read no further than before


class StoryAnswer(msgspec.Struct, rename="camel"):
    report: StoryDocument | None  # null: it is not ready
    progress: ProgressOfReading | None
    seq: int


class FairnessAnswer(msgspec.Struct, rename="camel"):
    report: FairnessDocument | None  # null: it is not ready
    progress: ProgressOfReading | None
    seq: int
