"""The systemd units: commands and exit codes that exist, settings that are taken, and what systemd itself says."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from onsale.node import serve as serve_module
from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.node.options import NodeOptions
from onsale.tests.deploy.settings_files import DEPLOY, read_settings, variables_of, variables_read

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SETTINGS = sorted((DEPLOY / "settings").glob("*.env"))
PROGRAM = "/opt/onsale/current/bin/onsale"
EXPOSURE_MAX = 15  # tenths; 100 is a service that may do everything
KINDS = ("serve", "standby", "replica")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def lines_of(unit: Path, name: str) -> list[str]:
    """All values of a setting that may stand there several times."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def commands_of(unit: Path) -> list[str]:
    (started,) = lines_of(unit, "ExecStart")
    program, command, *_ = started.split()
    assert program == PROGRAM
    return list(KINDS) if command == "%i" else [command]


def installed(unit: Path, folder: Path) -> Path:
    """The unit as on a machine where the program is there."""
    program = Path(sys.executable).with_name("onsale")
    copy = folder / unit.name.replace("@", "@serve")
    copy.write_text(unit.read_text().replace(PROGRAM, str(program)))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_starts_a_command_that_exists(unit: Path) -> None:
    assert set(commands_of(unit)) <= main.commands.keys()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_is_not_tried_again_are_exit_codes_that_need_a_person(unit: Path) -> None:
    (codes,) = lines_of(unit, "RestartPreventExitStatus")
    prevented = {ExitCode(int(code)) for code in codes.split()}
    assert {ExitCode.USAGE, ExitCode.REFUSED} <= prevented
    assert ExitCode.ERROR not in prevented
    if "serve" in commands_of(unit):
        assert {ExitCode.CORRUPT, ExitCode.DISK} <= prevented


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_its_settings_are_there_as_samples(unit: Path) -> None:
    for file in lines_of(unit, "EnvironmentFile"):
        optional, name = file.startswith("-"), Path(file.removeprefix("-")).name
        for command in commands_of(unit):
            assert optional or (DEPLOY / "settings" / name.replace("%i", command)).exists()


def test_all_are_confined_alike() -> None:
    def confinement(unit: Path) -> str:
        return unit.read_text().partition("NoNewPrivileges")[2]

    assert {confinement(unit) for unit in UNITS} == {confinement(UNITS[0])}


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed(unit, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_little_of_the_machine_is_exposed(unit: Path, tmp_path: Path) -> None:
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", installed(unit, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout.splitlines()[-1]


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.name)
def test_every_variable_of_the_samples_is_read_by_something(file: Path) -> None:
    known = variables_read().union(*(variables_of(command) for command in main.commands))
    assert read_settings(file).keys() <= known


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_starts_with_the_samples(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[NodeOptions] = []
    monkeypatch.setattr(serve_module, "run", lambda options: started.append(options) or 0)
    settings = read_settings(DEPLOY / "settings" / "onsale.env") | read_settings(DEPLOY / "settings" / f"{kind}.env")
    result = CliRunner().invoke(main, [kind], env=settings)
    assert result.exit_code == 0, result.output
    (options,) = started
    assert str(options.data).startswith("/var/lib/onsale/")
    assert options.replication is not None
    assert len(options.sources) == (0 if kind == "serve" else 3)
    assert (options.etcd is None) == (kind == "replica")


@pytest.mark.parametrize(("command", "file"), [("backup", "backup.env"), ("scaler", "scaler.env")])
def test_the_other_units_get_what_they_ask_for(command: str, file: str) -> None:
    required = {each.envvar for each in main.commands[command].params if each.required}
    assert required <= read_settings(DEPLOY / "settings" / file).keys() <= variables_of(command)


def test_serve_and_standby_share_a_folder_and_a_replica_has_its_own() -> None:
    folders = {kind: read_settings(DEPLOY / "settings" / f"{kind}.env")["ONSALE_DATA"] for kind in KINDS}
    assert folders["serve"] == folders["standby"] != folders["replica"]


def test_the_account_of_the_units_is_made() -> None:
    account = (DEPLOY / "systemd" / "onsale.sysusers.conf").read_text().splitlines()[-1].split()
    assert account[:2] == ["u", "onsale"]
    for unit in UNITS:
        read = configparser.RawConfigParser(strict=False)
        read.optionxform = str  # type: ignore[assignment,method-assign]
        read.read_string(unit.read_text())
        assert read["Service"]["User"] == "onsale"
