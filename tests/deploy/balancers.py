"""Real nginx and real HAProxy for tests, started from the files of deploy/ with addresses and paths replaced alone."""

import asyncio
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from nodes import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
START_SECONDS_MAX = 10

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Certificate:
    """A self-made one for this machine."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self.bundle = folder / "bundle.pem"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        self.bundle.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())

    def context(self) -> ssl.SSLContext:
        """What a client trusts."""
        return ssl.create_default_context(cafile=str(self.certificate))


class Balancer:
    """One process with its files in a folder of its own. `port`: TLS; `plain_port`: without."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.folder = folder
        self.certificate = certificate
        self.port = free_port()
        self.plain_port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}

    def check(self) -> subprocess.CompletedProcess[str]:
        """What the program itself says about its files."""
        raise NotImplementedError

    def _run(self) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(self._command(), stdout=output, stderr=output, env=os.environ | self._environment())

    async def start(self) -> Self:
        self.process = self._run()
        given_up_at = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                writer = await self._reach()
            except OSError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < given_up_at, self.said()
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return self

    async def _reach(self) -> asyncio.StreamWriter:
        """Once it listens everywhere. Raises OSError."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return writer

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        self.stop()


class Nginx(Balancer):
    def __init__(
        self,
        folder: Path,
        certificate: Certificate,
        writes: Sequence[str],
        reads: Sequence[str] = (),
        *,
        exempt: Sequence[str] = (),
    ) -> None:
        """`writes`, `reads`: HOST:PORT of nodes; without `reads` the same. `exempt`: networks that are not counted."""
        super().__init__(folder, certificate)
        shutil.copytree(DEPLOY / "nginx", folder, dirs_exist_ok=True)
        self._replace("onsale.conf", "listen [::]:80;", "")
        self._replace("onsale.conf", "listen [::]:443 ssl http2;", "")
        self._replace("onsale.conf", "listen 80;", f"listen 127.0.0.1:{self.plain_port};")
        self._replace("onsale.conf", "listen 443 ", f"listen 127.0.0.1:{self.port} ")
        self._replace("onsale.conf", "/var/cache/nginx/onsale", f"{folder}/cache")
        self._replace("onsale.conf", "/var/log/nginx/onsale.log", f"{folder}/access.log")
        self._replace("certificate.conf", "/etc/onsale/tls/certificate.pem", str(certificate.certificate))
        self._replace("certificate.conf", "/etc/onsale/tls/key.pem", str(certificate.key))
        self._replace("nginx.conf", "include onsale.conf;", f"{self._temporary()} include onsale.conf;")
        self.name_nodes("write-nodes.conf", writes, "max_fails=1 fail_timeout=2s")
        self.name_nodes("read-nodes.conf", reads or writes)
        if exempt:
            (folder / "exempt-addresses.conf").write_text("".join(f"{network} 1;\n" for network in exempt))

    def name_nodes(self, file: str, nodes: Sequence[str], options: str = "") -> None:
        (self.folder / file).write_text("".join(f"server {node} {options};\n" for node in nodes))

    def _replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r} any more"
        path.write_text(text.replace(old, new))

    def _temporary(self) -> str:
        """Folders that are compiled in and may belong to somebody else."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)

    def _arguments(self) -> list[str]:
        user = "user root; " if os.geteuid() == 0 else ""  # else workers could not read the test's folder
        lines = f"{user}daemon off; pid {self.folder}/nginx.pid; error_log stderr notice;"
        return ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-g", lines]

    def _command(self) -> list[str]:
        return self._arguments()

    def check(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._arguments(), "-t"], capture_output=True, text=True, check=False)

    def reload(self) -> None:
        subprocess.run([*self._arguments(), "-s", "reload"], check=True, capture_output=True)


class HaProxy(Balancer):
    def __init__(
        self, folder: Path, certificate: Certificate, nodes: Sequence[str], *, exempt: Sequence[str] = ()
    ) -> None:
        """`nodes`: HOST:PORT of the three that vote."""
        super().__init__(folder, certificate)
        self.nodes = nodes
        self.socket = folder / "socket"
        shutil.copytree(DEPLOY / "haproxy", folder, dirs_exist_ok=True)
        (folder / "servers").write_text("1\n")  # what a reload remembers: nothing yet, in format 1
        path = folder / "haproxy.cfg"
        text = path.read_text()
        for old, new in (
            ("bind :80\n", f"bind 127.0.0.1:{self.plain_port}\n"),
            ("bind :443 ", f"bind 127.0.0.1:{self.port} "),
            ("/etc/onsale/tls/bundle.pem", str(certificate.bundle)),
            ("/run/haproxy/onsale.sock", str(self.socket)),
            ("/var/lib/haproxy/onsale-servers", str(folder / "servers")),
        ):
            assert old in text, f"haproxy.cfg has no {old!r} any more"
            text = text.replace(old, new)
        path.write_text(text)
        if exempt:
            (folder / "exempt-addresses.lst").write_text("".join(f"{network}\n" for network in exempt))

    def _environment(self) -> dict[str, str]:
        return {f"ONSALE_NODE_{name}": node for name, node in zip("ABC", self.nodes, strict=True)}

    def _command(self) -> list[str]:
        return ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]

    def check(self) -> subprocess.CompletedProcess[str]:
        command = ["haproxy", "-c", "-f", str(self.folder / "haproxy.cfg")]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | self._environment()
        )

    async def _reach(self) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.close()
        return await super()._reach()

    async def order(self, line: str) -> str:
        """Of the runtime API, as a scaler gives it."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(line.encode() + b"\n")
        answer = await reader.read()
        writer.close()
        return answer.decode()
