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
from onsale.node.options import ServeOptions, default_name

COMMANDS = [
    (), ("serve",), ("verify",), ("inspect",), ("events",), ("events", "import"), ("events", "export"), ("token",),
]  # fmt: skip


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def started_with(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> ServeOptions:
    """What a node would be started with."""
    started: list[ServeOptions] = []

    def start(options: ServeOptions) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr(serve_module, "run", start)
    result = run("serve", *arguments, **environment)
    assert result.exit_code == 0, result.output
    return started[0]


# --- help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_everywhere(command: tuple[str, ...], flag: str) -> None:
    result = run(*command, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    if command not in ((), ("events",)):
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

    found = [flag for flag in flags(main) if flag.opts != ["-V", "--version"]]
    assert len(found) > 15
    for flag in found:
        assert flag.envvar == "ONSALE_" + flag.opts[0].removeprefix("--").replace("-", "_").upper()
        assert flag.show_envvar
        assert flag.help


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("reconcile")
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


# --- serve


def test_what_a_node_is_started_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert started_with(monkeypatch, "--data", str(tmp_path)) == ServeOptions(
        data=tmp_path, host="127.0.0.1", port=8080, name=default_name(), hold_ms=300_000, demo=False, log_format="human"
    )
    options = started_with(
        monkeypatch, "--data", str(tmp_path / "new"), "--listen", "[::1]:9000", "--name", "eu-1",
        "--hold-seconds", "0.25", "--demo", "--log-format", "json", "--sync-standbys", "0",
    )  # fmt: skip
    assert options == ServeOptions(tmp_path / "new", "::1", 9000, "eu-1", 250, demo=True, log_format="json")
    assert not (tmp_path / "new").exists(), "the node makes it, not the command line"


def test_a_node_started_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = started_with(
        monkeypatch,
        ONSALE_DATA=str(tmp_path), ONSALE_LISTEN="localhost:0", ONSALE_NAME="n1", ONSALE_HOLD_SECONDS="2",
        ONSALE_DEMO="1", ONSALE_LOG_FORMAT="json",
    )  # fmt: skip
    assert options == ServeOptions(tmp_path, "localhost", 0, "n1", 2000, demo=True, log_format="json")


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
        (
            ("--data", "d", "--replication", "127.0.0.1:7000"),
            "This version has no standbys yet: leave out --replication",
        ),
        (("--data", "d", "--sync-standbys", "1"), "This version has no standbys yet"),
        (("--data", "d", "--sync-standbys", "-1"), "--sync-standbys"),
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
