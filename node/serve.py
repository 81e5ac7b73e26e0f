"""`onsale serve`: from options to an exit code.

Owns what is said at the start and the end, the signals, and which failure ends the process with which code: endings.py
has the words.
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import resource
import signal
import sys
import time

import uvloop

from ..http.access.auth import Authenticator
from ..journal.disk import FolderLock, lock_folder
from .access import make_authenticator
from .commands.sample import sample_events
from .endings import EXPECTED, CannotListen, FolderGone, Impatient, OpenToTheWorld, die, end
from .exit_codes import ExitCode
from .logs import set_up
from .options import ServeOptions
from .primary import Primary
from .progress import StartProgress
from .recovery import start

log = logging.getLogger("onsale")

# The checkpoint's thread asks for the interpreter's lock for microseconds at a time. Beside a loop that is always busy
# it gets it once in a switch interval: at Python's 5 ms a checkpoint took up to 70 s, at this 1 s.
SWITCH_SECONDS = 0.0005

FOLDER_LOOKED_AT_SECONDS = 1.0
CLOCK_LATE_SECONDS = 60.0
IMPATIENT_SECONDS = 1.0  # a second signal that comes sooner is the same keypress, told twice


def run(options: ServeOptions) -> int:
    set_up(options.log_format)
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_many_connections()
    try:
        authenticator = make_authenticator(options.data)
        _refuse_an_open_address(options, authenticator)
        with lock_folder(options.data) as lock:
            return uvloop.run(_serve(options, authenticator, lock))
    except EXPECTED as error:
        return end(error)


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


def _allow_many_connections() -> None:
    """Thousands of clients need as many file descriptors; take what the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(options: ServeOptions, authenticator: Authenticator, lock: FolderLock) -> int:
    began = time.monotonic()
    with StartProgress() as progress:
        started = start(options.data, progress)
    state = started.state
    _warn_of_a_late_clock(state.at_ms)
    stopped = _stop_on_signals()
    primary = Primary(options, started, authenticator, failed=die)
    await authenticator.start()
    try:
        await primary.start()
    except OSError as error:
        await primary.stop()
        reason = os.strerror(error.errno) if error.errno and error.errno in errno.errorcode else error.strerror
        return end(
            CannotListen(
                f"Cannot listen on {options.host}:{options.port}: {reason}. Choose another address with --listen; port "
                "0 takes any free one."
            )
        )
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
    with contextlib.suppress(OSError):  # whoever started it may not be listening any more
        _say_how_to_begin(options, primary, authenticator)
    watching = asyncio.create_task(_watch(lock))
    await stopped.wait()
    watching.cancel()
    log.info("stopping: answering what was asked, writing a checkpoint")
    await primary.stop()
    await authenticator.close()
    log.info("stopped at seq %d; everything answered is in %s", state.seq, options.data)
    return int(ExitCode.DONE)


def _warn_of_a_late_clock(journal_ms: int) -> None:
    late_seconds = journal_ms / 1000 - time.time()
    if late_seconds > CLOCK_LATE_SECONDS:
        log.warning(
            "this machine's clock is %.0f s behind the journal's last fact: either it is wrong now, or it was wrong "
            "when that was written. Holds and sales go by the journal's time, which the clock meets only slowly.",
            late_seconds,
        )


def _say_how_to_begin(options: ServeOptions, primary: Primary, authenticator: Authenticator) -> None:
    lines = [f"onsale: serving on {primary.address}  (API: {primary.address}/docs, Ctrl-C stops)"]
    if authenticator.is_open:
        lines.append("onsale: no authentication is configured: everyone on this machine may do everything")
    if primary.gateway.payment_provider == "test":
        lines.append("onsale: payments go to the built-in test provider: no money moves")
    print("\n".join(lines), flush=True)
    if options.demo:
        print(f"onsale: try  curl '{primary.address}/events?search=jazz&limit=3'", flush=True)


def _stop_on_signals() -> asyncio.Event:
    """An event that is set by Ctrl-C, SIGTERM, or the end of the terminal. Asked again later, the process goes at once.

    The end of the terminal is left alone where it is ignored already: that is what nohup does.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    first_asked = 0.0

    def asked() -> None:
        nonlocal first_asked
        if not stopped.is_set():
            first_asked = loop.time()
            stopped.set()
        elif loop.time() - first_asked >= IMPATIENT_SECONDS:
            die(Impatient("Stopped at once. Everything that was answered is on disk; the next start takes longer."))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, asked)
    return stopped


async def _watch(lock: FolderLock) -> None:
    """End the process when its folder is not there any more: what it writes then would be found by nobody."""
    while await asyncio.to_thread(lock.is_in_place):  # noqa: ASYNC110 - nothing tells us
        await asyncio.sleep(FOLDER_LOOKED_AT_SECONDS)
    die(
        FolderGone(
            f"{lock.path} is not the data folder any more that this node was started with: it, or the lock file in it, "
            "was removed, renamed or unmounted. Nothing more is answered, for it would be written where nobody finds "
            "it. Bring the folder back, then start again."
        )
    )
