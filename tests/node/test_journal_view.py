"""Facts as operators see them: ids as hex, and of a secret only that it was saved."""

from pathlib import Path
from typing import Any

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.journal.disk import RealDisk
from onsale.node.journal_view import JournalView
from onsale.tests.engine.histories import History, begin_cluster, save_node


async def shown(history: History, data: Path, after_seq: int = 0) -> list[dict[str, Any]]:
    history.write(data)
    return await JournalView(RealDisk(data / "journal")).facts(after_seq, 100, history.state.seq)


async def test_the_cluster(tmp_path: Path) -> None:
    history = History()
    begin_cluster(history)
    save_node(history, "r1", voting=False, replication="")
    history.do(c.SetSyncStandbys(1))
    history.do(c.RemoveMember("r1"))
    history.do(c.BeginEpoch(3, "n2"))
    found = await shown(history, tmp_path)
    assert [fact.pop("seq") for fact in found] == list(range(1, len(found) + 1))
    assert {fact.pop("at") for fact in found} == {"2026-11-18T11:06:40.000Z"}
    assert found == [
        {"epoch": 1, "type": "epoch_begun", "leader": "n1", "factsVersion": f.FACTS_VERSION},
        {
            "epoch": 1, "type": "member_saved", "name": "n1", "nodeId": (b"n1" * 8).hex(), "voting": True,
            "replication": "n1:7000", "http": "http://n1:80",
        },
        {"epoch": 1, "type": "ticket_key_saved"},
        {
            "epoch": 1, "type": "member_saved", "name": "r1", "nodeId": (b"r1" * 8).hex(), "voting": False,
            "replication": "", "http": "http://r1:80",
        },
        {"epoch": 1, "type": "sync_standbys_set", "count": 1},
        {"epoch": 1, "type": "member_removed", "name": "r1"},
        {"epoch": 3, "type": "epoch_begun", "leader": "n2", "factsVersion": f.FACTS_VERSION},
    ]  # fmt: skip


async def test_facts_behind_a_position(tmp_path: Path) -> None:
    history = History()
    history.event()
    history.book("ada")
    history.book("ben")
    (held,) = await shown(history, tmp_path, after_seq=2)
    assert (held["type"], held["userId"]) == ("held", "ben")
