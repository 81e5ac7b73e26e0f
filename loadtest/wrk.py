"""Has wrk send the requests, where it is installed: a second opinion on our own generator's figures.

Owns the Lua that gives wrk the request and has it print its summary as JSON. wrk knows the closed way only, does not
look at bodies, and sends one and the same request again and again.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from .result import Result

_REPORT: Final = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"us":%d,"bytes":%d,"mean":%f,"p50":%d,"p90":%d,"p99":%d,"p999":%d,' ..
    '"max":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\\n', summary.requests, summary.duration,
    summary.bytes, latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max, e.status, e.connect, e.read, e.write, e.timeout))
end
"""


def run_wrk(
    url: str, method: str, body: str, headers: dict[str, str], *, connections: int = 64, seconds: float = 5.0
) -> Result:
    """Send for `seconds`, rounded up to whole ones. Raises OSError when wrk is missing or the server is not there."""
    program = shutil.which("wrk")
    if program is None:
        raise OSError("wrk is not installed; install it (Debian: apt install wrk) or leave --wrk out")
    if body:
        headers = {"Content-Type": "application/json"} | headers
    script = f"wrk.method = {_lua(method)}\nwrk.body = {_lua(body) if body else 'nil'}\n"
    script += "".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}\n" for name, value in headers.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "request.lua")
        path.write_text(script + _REPORT)
        duration = f"{-int(-seconds // 1)}s"
        ended = subprocess.run(
            [program, "-t1", f"-c{connections}", f"-d{duration}", "-s", str(path), url],
            capture_output=True,
            text=True,
            check=False,
        )
    line = ended.stdout.rstrip().rpartition("\n")[2]
    if ended.returncode or not line.startswith("{"):
        raise OSError(f"wrk failed: {(ended.stderr or ended.stdout).strip()}")
    figures = json.loads(line)
    errors = {name: figures[name] for name in ("connect", "read", "write", "timeout") if figures[name]}
    elapsed = figures["us"] / 1e6
    names = {"mean": "mean", "p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "max"}
    return Result(
        requests=figures["requests"],
        seconds=round(elapsed, 3),
        per_second=round(figures["requests"] / elapsed, 1),
        latency_ms={name: round(figures[key] / 1000, 3) for name, key in names.items()},
        statuses={400: figures["status"]} if figures["status"] else {},
        errors=errors,
        failed=sum(errors.values()),
        received_bytes=figures["bytes"],
    )


def _lua(text: str) -> str:
    """Quote for Lua, whose decimal escapes take any byte."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'
