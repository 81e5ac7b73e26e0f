"""Who a node is: its id and name, kept in its folder; the secret; where others reach it."""

from pathlib import Path

import pytest

from onsale.node.access import NotConfigured
from onsale.node.identity import NODE_FILE, SECRET_FILE, SECRET_VARIABLE, advertised, cluster_secret, identify
from onsale.node.options import default_name


def test_a_folder_keeps_its_id_and_its_name(tmp_path: Path) -> None:
    first = identify(tmp_path, "eu-1", alone=True)
    assert len(first.node_id) == 8
    assert identify(tmp_path, None, alone=True) == first
    assert identify(tmp_path, "eu-1", alone=False) == first


def test_another_name_is_kept_from_then_on(tmp_path: Path) -> None:
    first = identify(tmp_path, "eu-1", alone=True)
    renamed = identify(tmp_path, "eu-2", alone=True)
    assert (renamed.node_id, renamed.name) == (first.node_id, "eu-2")
    assert identify(tmp_path, None, alone=True) == renamed


def test_names_that_nobody_gave(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert identify(tmp_path / "one", None, alone=True).name == default_name()
    standby = identify(tmp_path / "two", None, alone=False)
    assert standby.name == f"{default_name()}-{standby.id[:4]}", "several may be on one machine"


def test_made_anew_it_is_another_node_of_the_same_name(tmp_path: Path) -> None:
    """What the old one acknowledged is not there any more."""
    first = identify(tmp_path, "eu-1", alone=False)
    anew = identify(tmp_path, None, alone=False, anew=True)
    assert anew.node_id != first.node_id
    assert anew.name == "eu-1"
    assert identify(tmp_path, None, alone=False) == anew


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"id": "zz", "name": "n"}', b'{"id": "00ff", "name": "n"}', b'{"name": "n"}']
)
def test_a_file_that_can_not_be_read_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NODE_FILE).write_bytes(content)
    with pytest.raises(NotConfigured, match="Remove it; the node gets a new id"):
        identify(tmp_path, "eu-1", alone=True)
    assert (tmp_path / NODE_FILE).read_bytes() == content


def test_what_a_crash_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f"{NODE_FILE}.temporary").write_bytes(b"half")
    assert identify(tmp_path, "eu-1", alone=True).name == "eu-1"


def test_the_secret_of_the_environment_goes_before_that_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    assert cluster_secret(tmp_path) == b""
    (tmp_path / SECRET_FILE).write_text("from the folder\n")
    assert cluster_secret(tmp_path) == b"from the folder"
    monkeypatch.setenv(SECRET_VARIABLE, " from the environment ")
    assert cluster_secret(tmp_path) == b"from the environment"


@pytest.mark.parametrize("address", ["127.0.0.1:7400", "10.0.0.7:7400", "eu-1.example:7400", "[::1]:7400"])
def test_an_address_that_others_can_use_is_left_as_it_is(address: str) -> None:
    assert advertised(address, []) == address


def test_for_all_addresses_the_one_that_leads_to_the_others() -> None:
    assert advertised("0.0.0.0:7400", ["127.0.0.1:9999"]) == "127.0.0.1:7400"
    assert advertised("0.0.0.0:7400", ["127.0.0.1:9999", "10.0.0.1:1"]).endswith(":7400")


@pytest.mark.parametrize("address", ["0.0.0.0:7400", "10.0.0.7:7400"])
def test_what_the_operator_says_goes_before(address: str) -> None:
    assert advertised(address, [], "node-1.example") == "node-1.example:7400"
    assert advertised(address, [], "2001:db8::1") == "[2001:db8::1]:7400"
