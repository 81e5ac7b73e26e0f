"""`onsale serve`, `standby` and `replica`: from options to an exit code.

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
from .draining import DrainingNode
from .endings import EXPECTED, CannotListen, FolderGone, Impatient, OpenToTheWorld, die, end
from .exit_codes import ExitCode
from .filling import Filling
from .identity import SECRET_FILE, Identity, cluster_secret, identify
from .logs import set_up
from .options import NodeOptions, parse_address
from .outside_settings import Surroundings, read_surroundings
from .pauses import Pauses
from .progress import StartProgress

log = logging.getLogger("onsale")

# The checkpoint's thread asks for the interpreter's lock for microseconds at a time. Beside a loop that is always busy
# it gets it once in a switch interval: at Python's 5 ms a checkpoint took up to 70 s, at this 1 s.
SWITCH_SECONDS = 0.0005

FOLDER_LOOKED_AT_SECONDS = 1.0
CLOCK_LATE_SECONDS = 60.0
IMPATIENT_SECONDS = 1.0  # a second signal that comes sooner is the same keypress, told twice


def run(options: NodeOptions) -> int:
    set_up(options.log_format)
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_many_connections()
    try:
        authenticator = make_authenticator(options.data)
        surroundings = read_surroundings()
        secret = cluster_secret(options.data)
        _refuse_an_open_address(options, authenticator)
        _refuse_replication_without_a_secret(options, secret)
        with lock_folder(options.data) as lock:
            identity = identify(options.data, options.name, alone=options.kind == "serve", anew=options.rebuild)
            return uvloop.run(_serve(options, identity, secret, authenticator, surroundings, lock))
    except EXPECTED as error:
        return end(error)


def _refuse_replication_without_a_secret(options: NodeOptions, secret: bytes) -> None:
    """Whoever connects is given every booking, and can take part in who leads."""
    addresses = [options.replication] if options.replication is not None else []
    addresses += [parse_address(source) for source in options.sources]
    for host, port in addresses:
        if not secret and not is_loopback(host):
            raise OpenToTheWorld(
                f"Without a cluster secret this node speaks to others on this machine only, not at {host}:{port}. Give "
                f"all nodes the same one: in ONSALE_CLUSTER_SECRET, or in a file {SECRET_FILE} in each data folder."
            )


def _refuse_an_open_address(options: NodeOptions, authenticator: Authenticator) -> None:
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


async def _serve(
    options: NodeOptions,
    identity: Identity,
    secret: bytes,
    authenticator: Authenticator,
    surroundings: Surroundings,
    lock: FolderLock,
) -> int:
    began = time.monotonic()
    stop = _Stop()
    node = DrainingNode(options, identity, secret, authenticator, surroundings, failed=die)
    filling = Filling(node, wanted=options.demo)
    node.before_serving = filling.begin
    await authenticator.start()
    try:
        with StartProgress() as progress:
            await node.start(progress)
    except OSError as error:
        await node.stop()
        return end(CannotListen(_cannot_listen(options, error)))
    pauses = Pauses(node.metrics)
    pauses.start()
    state = node.gateway.state
    _warn_of_a_late_clock(state.at_ms)
    log.info(
        "%s, a %s, serves %s%s: %d events, %d bookings in memory, seq %d, started in %.1f s; data in %s",
        identity.name,
        node.gateway.role,
        node.address,
        f" and replication at {node.replication_address}" if node.replication_address else "",
        len(state.sales),
        len(state.bookings),
        state.seq,
        time.monotonic() - began,
        options.data,
    )
    with contextlib.suppress(OSError):  # whoever started it may not be listening any more
        _say_how_to_begin(options, node, authenticator, surroundings)
    watching = asyncio.create_task(_watch(lock))
    await stop.asked.wait()
    if options.drain_seconds and stop.may_drain:
        log.info(
            "stopping within %g s: everything is answered, and balancers are sent elsewhere", options.drain_seconds
        )
        everybody_left = await node.drain(options.drain_seconds)
        log.info("nobody is connected any more" if everybody_left else "not everybody has gone elsewhere; stopping now")
    watching.cancel()
    filling.cancel()
    log.info("stopping: answering what was asked, writing a checkpoint")
    await node.stop()
    pauses.close()
    await authenticator.close()
    log.info("stopped at seq %d; everything answered is in %s", node.gateway.state.seq, options.data)
    return int(ExitCode.DONE)


def _cannot_listen(options: NodeOptions, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno in errno.errorcode else str(error.strerror)
    places = [f"{options.host}:{options.port} (--listen)"]
    if options.replication is not None:
        places.append(f"{options.replication[0]}:{options.replication[1]} (--replication)")
    return f"Cannot listen on {' or '.join(places)}: {reason}. Choose another address; port 0 takes any free one."


def _warn_of_a_late_clock(journal_ms: int) -> None:
    late_seconds = journal_ms / 1000 - time.time()
    if late_seconds > CLOCK_LATE_SECONDS:
        log.warning(
            "this machine's clock is %.0f s behind the journal's last fact: either it is wrong now, or it was wrong "
            "when that was written. Holds and sales go by the journal's time, which the clock meets only slowly.",
            late_seconds,
        )


def _say_how_to_begin(
    options: NodeOptions, node: DrainingNode, authenticator: Authenticator, surroundings: Surroundings
) -> None:
    what = {"serve": "serving", "standby": "standing by", "replica": "a replica"}[options.kind]
    lines = [f"onsale: {what} on {node.address}  (API: {node.address}/docs, Ctrl-C stops)"]
    if node.replication_address:
        lines.append(f"onsale: other nodes connect to {node.replication_address}")
    if authenticator.is_open:
        lines.append("onsale: no authentication is configured: everyone on this machine may do everything")
    if options.kind == "serve" and node.gateway.payment_provider == "test":
        lines.append("onsale: payments go to the built-in test provider: no money moves")
    if surroundings.settings.stripe_key:
        base = surroundings.settings.stripe_base or "Stripe"
        lines.append(f"onsale: payments go to {base}")
        if not surroundings.webhook_secret:
            lines.append(
                "onsale: STRIPE_WEBHOOK_SECRET is not set: what Stripe tells by itself is not taken, and payments that "
                "take a step are only noticed when they are looked at"
            )
    if options.demo:
        lines.append(f"onsale: try  curl '{node.address}/events?search=jazz&limit=3'")
    print("\n".join(lines), flush=True)


class _Stop:
    """Asked for by Ctrl-C, SIGTERM, or the end of the terminal. Asked again later, the process goes at once.

    The end of the terminal is left alone where it is ignored already: that is what nohup does.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_drain = False  # it was a supervisor that asked, which has the time
        self._loop = asyncio.get_running_loop()
        self._first_asked = 0.0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._loop.add_signal_handler(number, self._ask, number)

    def _ask(self, number: signal.Signals) -> None:
        if not self.asked.is_set():
            self._first_asked = self._loop.time()
            self.may_drain = number == signal.SIGTERM
            self.asked.set()
        elif self._loop.time() - self._first_asked >= IMPATIENT_SECONDS:
            die(Impatient("Stopped at once. Everything that was answered is on disk; the next start takes longer."))


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
