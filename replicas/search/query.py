"""A search request as the queries that answer it: what matches, and in which order.

Owns the order. A text is answered in *tiers*, best first: every word exactly, then with the last word as a beginning,
then with every word as a beginning, then with typing errors; and within each of these in the name, then in what stands
on the poster (name, venue, city, country, category), then anywhere. Inside a tier events come by start, then by id. So
the order depends on the events alone, is the same on every node, and any page begins at a `Position`, at the same cost.
Scores would give none of that: they move with every merge of the index and differ from node to node.

Typing errors are forgiven only when no event has the words as they were typed (`Plan.typed`). Without a text there is
one tier: every event. A text has no syntax; it is only ever cut into words.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from tantivy import FieldType, Occur, Query, Schema, SchemaBuilder

from ...engine.search import SearchRequest
from .words import WHOLE_TOKENIZER, WORD_BYTES_MAX, WORD_TOKENIZER, whole_of, words_of

WORDS_MAX = 16  # of a text; those after are not looked at
TEXT_CHARACTERS_MAX = 1_000  # likewise
FUZZY_LETTERS_MAX = 32  # building the automaton for a longer word costs more than a misspelt one is worth
LIMIT_MAX = 100  # events on a page
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

_FIELDS = ("name", "poster", "text")  # each holds the words of the one before, and more
_EXACT, _LAST_BEGINS, _BEGIN, _FUZZY = range(4)


class Tier(NamedTuple):
    """Events of one rank: those that match `query` and none of `excluded`."""

    query: Query
    excluded: tuple[Query, ...] = ()


class Plan(NamedTuple):
    """A request ready to run: its tiers, best first, the filters all of them share, and the bounds of the start.

    The first `typed` tiers hold the words as they were typed; the others count only when none of those matches at all.
    """

    tiers: list[Tier]
    typed: int
    filters: list[Query]
    start_ms: int | None
    end_ms: int | None


class _Word(NamedTuple):
    text: str
    last: bool
    name_only: bool


def build_schema() -> Schema:
    """The index's fields. `starts_ms` is both a column, to sort by, and terms, to find the events of one instant."""
    builder = SchemaBuilder()
    builder.add_integer_field("event_id", indexed=True, fast=True)
    builder.add_integer_field("starts_ms", indexed=True, fast=True)
    for field in _FIELDS:
        builder.add_text_field(field, tokenizer_name=WORD_TOKENIZER, index_option="basic")
    for field in ("city", "category"):
        builder.add_text_field(field, tokenizer_name=WHOLE_TOKENIZER, index_option="basic")
    return builder.build()


SCHEMA = build_schema()


def bounded(request: SearchRequest) -> SearchRequest:
    """The request within what the index takes: texts cut and free of lone surrogates, numbers in their range."""
    if _is_plain(request):
        return request
    texts = {name: _cut(getattr(request, name)) for name in ("search", "name", "city", "category")}
    instants = {name: _clamped(getattr(request, name)) for name in ("start_ms", "end_ms")}
    limit = min(max(request.limit, 1), LIMIT_MAX)
    return msgspec.structs.replace(request, limit=limit, **texts, **instants)


def plan(request: SearchRequest) -> Plan:
    """What to run for a bounded request. Its cursor and limit are not part of it."""
    values = (("city", whole_of(request.city)), ("category", whole_of(request.category)))
    filters = [Query.term_query(SCHEMA, field, value) for field, value in values if value]
    return Plan(*_tiers(request), filters, request.start_ms, request.end_ms)


def starts_between(first_ms: int | None, last_ms: int | None) -> list[Query]:
    """Events that start in a span, both ends inclusive; nothing to ask when it has no ends."""
    if first_ms is None and last_ms is None:
        return []
    if first_ms is not None and last_ms is not None and first_ms > last_ms:
        return [Query.empty_query()]
    return [Query.range_query(SCHEMA, "starts_ms", FieldType.Integer, first_ms, last_ms)]


def starts_at(instant_ms: int, after_event_id: int) -> list[Query]:
    """Events that start at one instant and have a greater id."""
    later_ids = Query.range_query(SCHEMA, "event_id", FieldType.Integer, after_event_id, include_lower=False)
    return [Query.term_query(SCHEMA, "starts_ms", instant_ms), later_ids]


def all_of(queries: Iterable[Query], excluded: Iterable[Query] = ()) -> Query:
    """One query that matches where every one of `queries` does and none of `excluded`."""
    return Query.boolean_query(
        [*((Occur.Must, each) for each in queries), *((Occur.MustNot, each) for each in excluded)]
    )


def _tiers(request: SearchRequest) -> tuple[list[Tier], int]:
    searched, named = _words(request.search, name_only=False), _words(request.name, name_only=True)
    if searched is None or named is None:
        return [], 0
    words = searched + named
    if not words:
        return [Tier(Query.all_query())], 1
    fields = _FIELDS if searched else _FIELDS[:1]
    kinds = [_EXACT, _BEGIN] if all(word.last for word in words) else [_EXACT, _LAST_BEGINS, _BEGIN]
    typed = len(kinds) * len(fields)
    if any(_errors_forgiven(word.text) for word in words):
        kinds.append(_FUZZY)
    tiers: list[Tier] = []
    stricter: tuple[Query, ...] = ()  # everything that matched with the kind before, which each later kind holds too
    for kind in kinds:
        narrower: tuple[Query, ...] = ()  # likewise with the field before
        for field in fields:
            query = all_of(_match(word, kind, field) for word in words)
            tiers.append(Tier(query, stricter + narrower))
            narrower = (query,)
        stricter = narrower
    return tiers, typed


def _words(text: str, *, name_only: bool) -> list[_Word] | None:
    """The words of a text, none for no text. None when nothing can match: it has no word, or too long a one."""
    if not text or text.isspace():
        return []
    words = words_of(text)[:WORDS_MAX]
    if not words or any(len(word.encode()) > WORD_BYTES_MAX for word in words):
        return None
    return [_Word(word, word == words[-1], name_only) for word in dict.fromkeys(words)]


def _match(word: _Word, kind: int, widest: str) -> Query:
    field = "name" if word.name_only else widest
    # A single letter begins half of all words: it counts as a beginning only where someone is still typing.
    begins = word.last if kind == _LAST_BEGINS or len(word.text) == 1 else kind > _LAST_BEGINS
    if kind == _EXACT or not begins:
        return Query.term_query(SCHEMA, field, word.text)
    beginning = Query.fuzzy_term_query(SCHEMA, field, word.text, 0, prefix=True)
    errors = _errors_forgiven(word.text) if kind == _FUZZY else 0
    if not errors:
        return beginning
    return Query.boolean_query(
        [(Occur.Should, beginning), (Occur.Should, Query.fuzzy_term_query(SCHEMA, field, word.text, errors))]
    )


def _errors_forgiven(word: str) -> int:
    """Letters that may be wrong; two that changed places count one. Numbers are not guessed at: 2027 is not 2026."""
    if not 4 <= len(word) <= FUZZY_LETTERS_MAX or any(character.isdigit() for character in word):
        return 0
    return 2 if len(word) >= 8 else 1


def _is_plain(request: SearchRequest) -> bool:
    """Whether nothing is to be done, as with nearly all."""
    texts = request.search + request.name + request.city + request.category
    first_ms, last_ms = request.start_ms or 0, request.end_ms or 0
    return (
        texts.isascii()
        and len(texts) <= TEXT_CHARACTERS_MAX
        and 1 <= request.limit <= LIMIT_MAX
        and INTEGER_MIN <= first_ms <= INTEGER_MAX
        and INTEGER_MIN <= last_ms <= INTEGER_MAX
    )


def _cut(text: str) -> str:
    cut = text[:TEXT_CHARACTERS_MAX]
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()


def _clamped(instant_ms: int | None) -> int | None:
    return None if instant_ms is None else min(max(instant_ms, INTEGER_MIN), INTEGER_MAX)
