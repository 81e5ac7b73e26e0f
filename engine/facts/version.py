"""Which version of the facts this program writes, and knows how to apply.

Owns the number. A reader skips fields behind those it knows, so a program that does not know a new field would quietly
come to another state than the one that wrote it. Therefore each epoch begins by saying its leader's version, whoever
does not know that one does not go on, and a node is not fed by one of a later version (ARCHITECTURE.md, upgrades).

Whoever adds a fact or a field raises it; tests/journal/test_golden.py keeps the digest of every version.
"""

from typing import Final

FACTS_VERSION: Final = 2  # 2: Archived, Recalled


class NewerFactsError(ValueError):
    """What follows was written by a program that knows more facts than this one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"its facts are of version {version}, and this program knows them up to {FACTS_VERSION}")
