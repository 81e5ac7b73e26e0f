"""`onsale serve`: from options to an exit code.

Owns what is said at the start and the end, the signals, and which failure ends the process with which code.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import resource
import signal
import sys
import time

import uvloop

from ..http.auth import Authenticator
from ..journal.disk import lock_folder
from ..journal.errors import CheckpointFailed, CorruptCheckpoint, CorruptJournal, FolderLocked, JournalError
from .access import NotConfigured, make_authenticator
from .exit_codes import ExitCode
from .logs import set_up
from .options import ServeOptions
from .primary import Primary
from .progress import StartProgress
from .recovery import start
from .sample import sample_events

log = logging.getLogger("onsale")


def run(options: ServeOptions) -> int:
    set_up(options.log_format)
    _allow_many_connections()
    try:
        authenticator = make_authenticator(options.data)
        _refuse_an_open_address(options, authenticator)
        with lock_folder(options.data):
            return uvloop.run(_serve(options, authenticator))
    except NotConfigured as error:
        return _end(ExitCode.ERROR, error)
    except OpenToTheWorld as error:
        return _end(ExitCode.REFUSED, error)
    except FolderLocked as error:
        return _end(ExitCode.ERROR, error)
    except (CorruptJournal, CorruptCheckpoint) as error:
        return _end(ExitCode.CORRUPT, error)
    except JournalError as error:
        return _end(ExitCode.DISK, error)
    except OSError as error:
        return _end(ExitCode.ERROR, error)


class OpenToTheWorld(Exception):
    """Someone else's machine could reach a node that asks nobody who they are."""


def _refuse_an_open_address(options: ServeOptions, authenticator: Authenticator) -> None:
    if not authenticator.is_open or is_loopback(options.host):
        return
    raise OpenToTheWorld(
        f"Without authentication this node serves 127.0.0.1 only, and --listen says {options.host}. Configure it "
        f"first: `onsale token --role operator --sub me --data {options.data}` makes a key in the data folder and "
        "prints a token; or set ONSALE_JWT_KEY or ONSALE_JWKS_URL."
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _end(code: ExitCode, error: Exception) -> int:
    print(f"onsale: {error}", file=sys.stderr)
    return int(code)


def _allow_many_connections() -> None:
    """Thousands of clients need as many file descriptors; take what the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(options: ServeOptions, authenticator: Authenticator) -> int:
    began = time.monotonic()
    with StartProgress() as progress:
        started = start(options.data, progress)
    state = started.state
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    primary = Primary(options, started, authenticator, failed=_die)
    await authenticator.start()
    try:
        await primary.start()
    except OSError as error:
        await primary.stop()
        return _end(ExitCode.ERROR, OSError(f"Cannot listen on {options.host}:{options.port}: {error.strerror}."))
    if options.demo and not state.sales:
        await primary.add_events(sample_events(primary.gateway.now_ms()))
    log.info(
        "%s serves %s: %d events, %d bookings in memory, seq %d, started in %.1f s; data in %s",
        options.name,
        primary.address,
        len(state.sales),
        len(state.bookings),
        state.seq,
        time.monotonic() - began,
        options.data,
    )
    _say_how_to_begin(options, primary, authenticator)
    await stopped.wait()
    log.info("stopping: answering what was asked, writing a checkpoint")
    await primary.stop()
    await authenticator.close()
    log.info("stopped at seq %d; everything answered is in %s", state.seq, options.data)
    return int(ExitCode.DONE)


def _say_how_to_begin(options: ServeOptions, primary: Primary, authenticator: Authenticator) -> None:
    lines = [f"onsale: serving on {primary.address}  (API: {primary.address}/docs, Ctrl-C stops)"]
    if authenticator.is_open:
        lines.append("onsale: no authentication is configured: everyone on this machine may do everything")
    if primary.gateway.payment_provider == "test":
        lines.append("onsale: payments go to the built-in test provider: no money moves")
    print("\n".join(lines), flush=True)
    if options.demo:
        print(f"onsale: try  curl '{primary.address}/events?search=jazz&limit=3'", flush=True)


def _die(error: Exception) -> None:
    """Nothing more may be answered: what is in memory may not be on disk, and a clean stop would pretend otherwise."""
    code = ExitCode.CORRUPT if isinstance(error, CorruptCheckpoint) else ExitCode.DISK
    where = "checkpoint" if isinstance(error, CheckpointFailed) else "disk"
    print(f"onsale: {where} failure, stopping at once: {error}", file=sys.stderr, flush=True)
    os._exit(int(code))
