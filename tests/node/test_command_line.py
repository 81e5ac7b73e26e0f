"""The command `onsale`: help, flags, environment, exit codes. What the commands do is tested with their modules."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from onsale.node import serve as serve_module
from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.node.options import GateOptions, NodeOptions, TlsFiles

COMMANDS = [
    (), ("serve",), ("standby",), ("replica",), ("verify",), ("inspect",), ("events",), ("events", "import"),
    ("events", "export"), ("token",), ("status",), ("switchover",), ("failover",), ("sync-standbys",), ("members",),
    ("members", "remove"), ("events", "cancel"), ("events", "progress"), ("tickets",), ("tickets", "key"),
    ("tickets", "check"), ("outbox",), ("outbox", "retry"), ("outbox", "close"), ("reconcile",),
]  # fmt: skip


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def started_with(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, kind: str = "serve", **environment: str
) -> NodeOptions:
    """What a node would be started with."""
    started: list[NodeOptions] = []

    def start(options: NodeOptions) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr(serve_module, "run", start)
    result = run(kind, *arguments, **environment)
    assert result.exit_code == 0, result.output
    return started[0]


# --- help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_everywhere(command: tuple[str, ...], flag: str) -> None:
    result = run(*command, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    if command not in ((), ("events",), ("members",)):
        assert "Examples:" in result.stdout


def test_the_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.split()[0] == "onsale"
    assert result.stdout.split()[1][0].isdigit()


def test_every_flag_stands_in_the_environment_under_its_own_name() -> None:
    def flags(command: click.Command) -> list[click.Option]:
        nested = command.commands.values() if isinstance(command, click.Group) else ()
        own = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        return own + [flag for each in nested for flag in flags(each)]

    # what nodes are started with must not lower it in a failover
    (not_from_there,) = [flag for flag in main.commands["failover"].params if flag.name == "sync_standbys"]
    assert not_from_there.envvar is None
    found = [flag for flag in flags(main) if flag.opts != ["-V", "--version"] and flag is not not_from_there]
    assert len(found) > 15
    for flag in found:
        assert flag.envvar == "ONSALE_" + flag.opts[0].removeprefix("--").replace("-", "_").upper()
        assert flag.show_envvar
        assert flag.help


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("reconsider")
    assert result.exit_code == ExitCode.USAGE
    assert "No such command" in result.stderr


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0, "ERROR": 1, "USAGE": 2, "UNREACHABLE": 3, "REFUSED": 4, "UNHEALTHY": 5, "CORRUPT": 6, "FENCED": 7,
        "DISK": 8,
    }  # fmt: skip
    shown = " ".join(run("--help").stdout.split())
    assert (
        "0 done, 1 error, 2 usage, 3 unreachable, 4 refused as unsafe, 5 unhealthy, 6 corrupt, 7 fenced, 8 disk"
        in shown
    )


# --- nodes


def test_what_a_node_is_started_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name and how many standbys answers wait for are left as they were, unless a flag says them."""
    assert started_with(monkeypatch, "--data", str(tmp_path)) == NodeOptions(
        kind="serve", data=tmp_path, host="127.0.0.1", port=8080, name=None, hold_ms=300_000, log_format="human",
        replication=None, sources=(), sync_standbys=None, rebuild=False, demo=False, tls=None,
    )  # fmt: skip
    options = started_with(
        monkeypatch, "--data", str(tmp_path / "new"), "--listen", "[::1]:9000", "--name", "eu-1",
        "--hold-seconds", "0.25", "--demo", "--log-format", "json", "--sync-standbys", "0",
        "--replication", "127.0.0.1:7400",
    )  # fmt: skip
    assert options == NodeOptions(
        "serve", tmp_path / "new", "::1", 9000, "eu-1", 250, "json", ("127.0.0.1", 7400), sync_standbys=0, demo=True
    )
    assert not (tmp_path / "new").exists(), "the node makes it, not the command line"


def test_a_node_started_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = started_with(
        monkeypatch,
        ONSALE_DATA=str(tmp_path), ONSALE_LISTEN="localhost:0", ONSALE_NAME="n1", ONSALE_HOLD_SECONDS="2",
        ONSALE_DEMO="1", ONSALE_LOG_FORMAT="json", ONSALE_REPLICATION="[::1]:7400", ONSALE_SYNC_STANDBYS="2",
    )  # fmt: skip
    assert options == NodeOptions(
        "serve", tmp_path, "localhost", 0, "n1", 2000, "json", ("::1", 7400), sync_standbys=2, demo=True
    )


def test_what_a_standby_is_started_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = started_with(
        monkeypatch, "--data", str(tmp_path), "--primary", "10.0.0.1:7400", "--listen", "10.0.0.2:8080", kind="standby"
    )
    assert options == NodeOptions(
        "standby", tmp_path, "10.0.0.2", 8080, None, 300_000, "human",
        replication=("10.0.0.2", 0),  # others must reach it, for it may become the primary
        sources=("10.0.0.1:7400",),
    )  # fmt: skip
    options = started_with(
        monkeypatch, "--data", str(tmp_path), "--primary", "10.0.0.1:7400", "--primary", "[::1]:7401",
        "--replication", "10.0.0.2:7402", "--sync-standbys", "1", "--hold-seconds", "60", "--rebuild", kind="standby",
    )  # fmt: skip
    assert (options.replication, options.sources) == (("10.0.0.2", 7402), ("10.0.0.1:7400", "[::1]:7401"))
    assert (options.sync_standbys, options.hold_ms, options.rebuild) == (1, 60_000, True)


def test_a_standby_started_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = started_with(
        monkeypatch, kind="standby", ONSALE_DATA=str(tmp_path), ONSALE_PRIMARY="10.0.0.1:7400 10.0.0.3:7400"
    )
    assert options.sources == ("10.0.0.1:7400", "10.0.0.3:7400")


def test_what_a_replica_is_started_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without --replication nobody follows it."""
    options = started_with(monkeypatch, "--data", str(tmp_path), "--source", "10.0.0.2:7402", kind="replica")
    assert options == NodeOptions(
        "replica", tmp_path, "127.0.0.1", 8080, None, 300_000, "human", sources=("10.0.0.2:7402",)
    )


def test_tls_between_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate, key, authority = (tmp_path / name for name in ("node.pem", "node.key", "authority.pem"))
    for file in (certificate, key, authority):
        file.write_text("")
    pair = ("--replication-certificate", str(certificate), "--replication-key", str(key))
    options = started_with(monkeypatch, "--data", str(tmp_path), *pair)
    assert options.tls == TlsFiles(certificate, key, None)
    options = started_with(monkeypatch, "--data", str(tmp_path), *pair, "--replication-authority", str(authority))
    assert options.tls == TlsFiles(certificate, key, authority)


@pytest.mark.parametrize("kind", ["serve", "standby", "replica"])
@pytest.mark.parametrize("given", ["certificate", "key", "authority"])
def test_half_of_tls_is_refused(kind: str, given: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = {"serve": (), "standby": ("--primary", "h:1"), "replica": ("--source", "h:1")}[kind]
    result = run(kind, "--data", str(tmp_path), *source, f"--replication-{given}", str(tmp_path / "file"))
    assert result.exit_code == ExitCode.USAGE
    assert "--replication-certificate and --replication-key, both" in " ".join(result.stderr.split())


def test_a_flag_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = started_with(monkeypatch, "--hold-seconds", "7", ONSALE_DATA=str(tmp_path), ONSALE_HOLD_SECONDS="2")
    assert options.hold_ms == 7000


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), "--data"),
        (("--data", "d", "--listen", "8080"), "write 127.0.0.1:8080 for this machine alone"),
        (("--data", "d", "--hold-seconds", "0"), "above 0"),
        (("--data", "d", "--hold-seconds", "nan"), "above 0"),
        (("--data", "d", "--hold-seconds", "inf"), "above 0"),
        (("--data", "d", "--hold-seconds", "86401"), "up to 86400"),
        (("--data", "d", "--hold-seconds", "soon"), "not a valid float"),
        (("--data", "d", "--name", "a b"), "is no name for a node"),
        (("--data", "d", "--log-format", "xml"), "human"),
        (("--data", "d", "--replication", "7000"), "write 127.0.0.1:7000 for this machine alone"),
        (("--data", "d", "--sync-standbys", "-1"), "--sync-standbys"),
        (("--data", "d", "--sync-standbys", "17"), "--sync-standbys"),
        (("--data", "d", "--replication-certificate", "nowhere.pem"), "does not exist"),
        (("--data", "d", "--primary", "127.0.0.1:7400"), "No such option"),
        (("--data", "d", "--rebuild"), "No such option"),  # where would it fetch a copy from?
        (("--data", "d", "--nonsense"), "No such option"),
    ],
)
def test_a_start_that_is_refused(
    flags: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("serve", *flags)
    assert result.exit_code == ExitCode.USAGE
    assert sentence in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("standby", "--data", "d"), "--primary"),
        (("standby", "--data", "d", "--primary", "7400"), "write 127.0.0.1:7400 for this machine alone"),
        (("standby", "--data", "d", "--primary", "h:0"), "needs the port that the other node's --replication says"),
        (("standby", "--data", "d", "--primary", "h:1", "--demo"), "No such option"),
        (("replica", "--data", "d"), "--source"),
        (("replica", "--data", "d", "--source", "h:1", "--source", "http://h:2"), "leave out the scheme"),
        (("replica", "--data", "d", "--source", "h:1", "--sync-standbys", "1"), "No such option"),
        (("replica", "--data", "d", "--source", "h:1", "--hold-seconds", "9"), "No such option"),
    ],
)
def test_a_follower_that_is_refused(
    flags: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*flags)
    assert result.exit_code == ExitCode.USAGE
    assert sentence in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert run("serve", "--data", str(tmp_path / "data")).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_offline_tools_make_no_folder(command: str, tmp_path: Path) -> None:
    result = run(command, "--data", str(tmp_path / "nothing"))
    assert result.exit_code == ExitCode.USAGE
    assert "does not exist" in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_exit_code_of_the_node_is_the_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_and_fail(_options: Any) -> int:
        return 8

    monkeypatch.setattr(serve_module, "run", run_and_fail)
    assert run("serve", "--data", str(tmp_path)).exit_code == ExitCode.DISK


def test_how_much_callers_may_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    assert started_with(monkeypatch, *data).gate == GateOptions()
    said = started_with(
        monkeypatch, *data, "--limit-per-user", "5/10", "--limit-exempt", "10.0.0.0/8", "--trusted-proxies", "::1",
        ONSALE_LIMIT_PER_ADDRESS="none", ONSALE_CHALLENGE_NUMBER_MAX="7",
    )  # fmt: skip
    assert said.gate == GateOptions("5/10", "none", "10.0.0.0/8", "::1", 7)
    for flag, value, advice in (
        ("--limit-per-user", "many", "20/100"), ("--limit-per-address", "0/1", "20/100"),
        ("--limit-exempt", "desk", "10.1.0.0/16"), ("--trusted-proxies", "1.2.3.4/8", "10.1.0.0/16"),
        ("--challenge-number-max", "0", "1<=x<=1000000"),
    ):  # fmt: skip
        result = run("serve", *data, flag, value)
        assert result.exit_code == ExitCode.USAGE
        assert advice in result.stderr.replace("\n", "")


# --- as a process


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from onsale.node.command_line import main; main(['--help'], standalone_mode=False);"
        "heavy = {'aiohttp', 'rich', 'tantivy', 'msgspec', 'uvloop', 'sqlite3'} & set(sys.modules); print(heavy)"
    )
    began = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout.splitlines()[-1] == "set()"
    assert time.perf_counter() - began < 10


def test_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onsale", "verify", "--data", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == ExitCode.ERROR
    assert result.stderr.startswith("onsale: There is no journal in")
    assert not result.stdout


def test_a_reader_that_has_seen_enough_is_no_failure_to_tell(tmp_path: Path) -> None:
    """`onsale inspect | head -1` ends without a traceback."""
    from onsale.tests.engine.histories import busy_history

    busy_history(1, 2000).write(tmp_path)
    program = f"{sys.executable} -m onsale inspect --data {tmp_path} --limit 100000 | head -1"
    result = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert "onsale:" not in result.stderr
