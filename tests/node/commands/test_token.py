"""`onsale token`: whose key signs, what is made, what is refused."""

import stat
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from onsale.node.command_line import main

KEY = "a-shared-key-of-at-least-thirty-two-bytes"


def run(*flags: str, environment: dict[str, str | None] | None = None) -> Result:
    clean: dict[str, str | None] = {"ONSALE_JWT_KEY": None, "ONSALE_JWKS_URL": None, "ONSALE_DATA": None}
    return CliRunner().invoke(main, ["token", *flags], env=clean | (environment or {}))


def test_the_first_token_makes_the_folders_key(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    result = run("--role", "user", "--sub", "u-1", "--hours", "0.5", "--data", str(data))
    assert result.exit_code == 0, result.output
    key = (data / "jwt.key").read_bytes().strip()
    assert stat.S_IMODE((data / "jwt.key").stat().st_mode) == 0o600
    token = result.stdout.strip()
    claims = jwt.decode(token, key, algorithms=["HS256"])
    assert (claims["role"], claims["sub"], claims["exp"] - claims["iat"]) == ("user", "u-1", 1800)
    assert "From its next start on" in result.stderr
    assert str(data / "jwt.key") in result.stderr

    again = run("--role", "operator", "--sub", "me", "--data", str(data))
    assert not again.stderr
    assert jwt.decode(again.stdout.strip(), key, algorithms=["HS256"])["role"] == "operator"


def test_the_key_of_the_environment_goes_before(tmp_path: Path) -> None:
    result = run("--role", "service", "--sub", "shop", "--data", str(tmp_path), environment={"ONSALE_JWT_KEY": KEY})
    assert jwt.decode(result.stdout.strip(), KEY, algorithms=["HS256"])["sub"] == "shop"
    assert not list(tmp_path.iterdir())


def test_without_data_the_folder_is_the_one_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--role", "user", "--sub", "u-1").exit_code == 0
    assert (tmp_path / "data" / "jwt.key").exists()


def test_a_weak_key_is_refused_with_advice() -> None:
    result = run("--role", "user", "--sub", "u-1", environment={"ONSALE_JWT_KEY": "short"})
    assert result.exit_code == 1
    assert "openssl rand" in result.stderr


def test_with_an_identity_provider_there_is_no_key_here(tmp_path: Path) -> None:
    environment: dict[str, str | None] = {"ONSALE_JWKS_URL": "https://example.org/jwks"}
    result = run("--role", "user", "--sub", "u-1", "--data", str(tmp_path), environment=environment)
    assert result.exit_code == 1
    assert "identity provider" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--sub", "u-1"), 2),
        (("--role", "king", "--sub", "u-1"), 2),
        (("--role", "user"), 2),
        (("--role", "user", "--sub", "u-1", "--hours", "0"), 2),
        (("--role", "user", "--sub", "u-1", "--hours", "nan"), 2),
        (("--role", "user", "--sub", "u" * 129), 1),
        (("--role", "user", "--sub", ""), 1),
    ],
)
def test_what_is_refused(tmp_path: Path, flags: tuple[str, ...], code: int) -> None:
    result = run(*flags, "--data", str(tmp_path / "data"))
    assert result.exit_code == code
    assert not result.stdout
