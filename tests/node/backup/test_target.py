"""The contract of the `Target` port, held against a folder and an S3 server; and what each does beyond it."""

import os
import threading
from copy import copy
from pathlib import Path
from uuid import uuid4

import pytest

from onsale.node.backup.s3 import S3Target
from onsale.node.backup.target import (
    LEFTOVER_SECONDS,
    FolderTarget,
    NotThereError,
    Stored,
    Target,
    TargetFailed,
    open_target,
    split_s3,
)
from onsale.tests.node.backup.s3_server import BUCKET


@pytest.fixture(scope="session")
def s3(s3_endpoint: str) -> S3Target:
    target = open_target(f"s3://{BUCKET}/shows", s3_endpoint)
    assert isinstance(target, S3Target)
    return target


@pytest.fixture(params=["folder", "s3", "a whole bucket"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "folder":
        return open_target(str(tmp_path / "missing" / "backup"))
    whole = copy(request.getfixturevalue("s3"))  # a client takes long to make
    whole.prefix = f"shows/{uuid4().hex}" if request.param == "s3" else ""
    if whole.prefix:
        return whole
    for stored in whole.list(""):
        whole.remove(stored.name)
    return whole


def test_nothing_is_there_at_first(target: Target) -> None:
    assert target.list("") == []
    assert target.list("a/b") == []
    with pytest.raises(NotThereError, match=r"a/b"):
        target.get("a/b")


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 10, os.urandom(300_000)])
def test_what_was_put_comes_back(target: Target, data: bytes) -> None:
    target.put("a/b/c.part", data)
    assert target.get("a/b/c.part") == data
    assert target.list("") == [Stored("a/b/c.part", len(data))]


def test_a_second_put_takes_the_place_of_the_first(target: Target) -> None:
    target.put("a", b"first, and longer")
    target.put("a", b"second")
    assert target.get("a") == b"second"
    assert [stored.name for stored in target.list("")] == ["a"]


def test_a_list_is_sorted_and_holds_what_begins_with_the_prefix(target: Target) -> None:
    for name in ("b/2", "a/x-2", "a/x-10", "a/y/z", "ab"):
        target.put(name, name.encode())
    assert [stored.name for stored in target.list("")] == ["a/x-10", "a/x-2", "a/y/z", "ab", "b/2"]
    assert [stored.name for stored in target.list("a/")] == ["a/x-10", "a/x-2", "a/y/z"]
    assert [stored.name for stored in target.list("a/x-1")] == ["a/x-10"]
    assert [stored.name for stored in target.list("a")] == ["a/x-10", "a/x-2", "a/y/z", "ab"]
    assert target.list("c/") == []


def test_what_was_removed_is_gone_and_removing_it_again_is_no_error(target: Target) -> None:
    target.put("a/b", b"1")
    target.put("a/c", b"2")
    target.remove("a/b")
    target.remove("a/b")
    assert [stored.name for stored in target.list("")] == ["a/c"]
    with pytest.raises(NotThereError):
        target.get("a/b")


@pytest.mark.parametrize("name", ["../a", "a/../b", "/a", "a//b", "a/", ".hidden", "a\nb", ""])
def test_a_name_that_leads_elsewhere_is_refused(target: Target, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        target.put(name, b"")


def test_several_threads_may_use_it_at_once(target: Target) -> None:
    names = [f"t/{number}" for number in range(12)]
    threads = [threading.Thread(target=target.put, args=(name, name.encode())) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: target.get(name) for name in names} == {name: name.encode() for name in names}


def test_a_list_of_more_than_a_page(s3_endpoint: str) -> None:
    target = S3Target(BUCKET, uuid4().hex, s3_endpoint)
    target._client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=3)
    )
    for number in range(8):
        target.put(f"{number}", b"x")
    assert [stored.name for stored in target.list("")] == [str(number) for number in range(8)]


# --- addresses


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://my.bucket-1/shows/2027/", ("my.bucket-1", "shows/2027")),
    ],
)
def test_an_s3_address(address: str, parts: tuple[str, str]) -> None:
    assert split_s3(address) == parts


@pytest.mark.parametrize("address", ["s3://", "s3:/bucket/x", "s3://Bucket/x", "s3://bucket/a//b", "s3://bucket/../x"])
def test_what_is_no_s3_address(address: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        open_target(address)


def test_other_addresses() -> None:
    with pytest.raises(ValueError, match="neither a folder nor"):
        open_target("gs://bucket/prefix")
    with pytest.raises(ValueError, match="endpoint"):
        open_target("/some/folder", "http://127.0.0.1:1")


# --- failures


def test_a_folder_that_can_t_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TargetFailed, match=r"writing .*file/a.* Check that the folder") as failed:
        FolderTarget(tmp_path / "file").put("a", b"")
    assert failed.value.local


def test_a_bucket_that_is_not_there(s3_endpoint: str) -> None:
    target = open_target("s3://no-such-bucket/x", s3_endpoint)
    for failing in (lambda: target.put("a", b""), lambda: target.list("")):
        with pytest.raises(TargetFailed, match="does not exist") as failed:
            failing()
        assert not isinstance(failed.value, NotThereError)
        assert not failed.value.unreachable


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onsale.node.backup.s3.ATTEMPTS_MAX", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    target = open_target("s3://bucket/x", "http://127.0.0.1:1")
    with pytest.raises(TargetFailed, match=r"127.0.0.1:1 .*Check the network") as failed:
        target.list("")
    assert failed.value.unreachable


def test_without_credentials(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    target = open_target(f"s3://{BUCKET}/x", s3_endpoint)
    with pytest.raises(TargetFailed, match="AWS_ACCESS_KEY_ID"):
        target.put("a", b"")


def test_without_boto3_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(TargetFailed, match=r"pip install 'onsale\[backup\]'"):
        open_target("s3://bucket/x")


# --- a folder's files


def test_what_a_killed_process_left_is_not_listed_and_goes_in_time(tmp_path: Path) -> None:
    fresh, old = tmp_path / "a" / ".x.4711.temporary", tmp_path / "a" / ".y.4711.temporary"
    fresh.parent.mkdir()
    for path in (fresh, old):
        path.write_bytes(b"half")
    then = old.stat().st_mtime - LEFTOVER_SECONDS - 60
    os.utime(old, (then, then))
    target = FolderTarget(tmp_path)
    assert target.list("") == []
    target.put("a/x", b"whole")
    assert target.list("") == [Stored("a/x", 5)]
    assert fresh.exists()
    assert not old.exists()
