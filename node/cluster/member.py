"""One node among others: it leads, follows, or is about to do one of them.

Owns the node's role and every change of it, and its promise. Promises that it leads only in an epoch that was promised
to it, that it takes nothing from an epoch below its promise, and that its state holds only what is committed, or what
it leads with itself. Works on ports alone (time, network, disk, writer): the simulation runs this very code.

A change of role that would have to take something back from the state is not made here: the node is started anew from
its folder (`Surroundings.restart`), the same way as after a crash.
"""

import logging

from ...engine.state import State
from ...journal.batch import Batch, Position
from ...journal.recovery import Recovered
from ...replicas import frames
from ...replicas.entrance import Entrance
from ...replicas.frames import Introduction
from ...replicas.lease import Claim
from ...replicas.peers import Peers
from ...replicas.ports import Receiver
from ...replicas.promise import NOBODY, Promise
from ...replicas.refusals import RefusalLog
from ...replicas.reports import Reports
from ..loop import CommandLoop
from .addresses import Addresses
from .exchange import Exchange
from .followers import Followers
from .following import Following
from .leading import Leading
from .links import Links
from .own_copy import OwnCopy
from .ports import MemberPorts, MemberSettings, Surroundings
from .promise_keeper import PromiseKeeper
from .pulse import Pulse
from .resuming import Resuming
from .right import RightToLead
from .stream_host import StreamHost
from .succession import Succession
from .takeover import HandOver, NewEpoch, Takeover, Told, nobody_asked

log = logging.getLogger("onsale.replication")


class ClusterMember:
    def __init__(
        self,
        state: State,
        recovered: Recovered,
        unapplied: list[Batch],
        settings: MemberSettings,
        ports: MemberPorts,
        surroundings: Surroundings,
    ) -> None:
        """What recovery found; `unapplied`: the journal's end, which may not be committed. Raises JournalError."""
        self.settings = settings
        self.ports = ports
        self.surroundings = surroundings
        self.copy = OwnCopy(
            state,
            recovered,
            unapplied,
            ports.disk,
            ports.make_writer,
            ports.background,
            self._became_durable,
            surroundings.failed,
        )
        self._promises = PromiseKeeper(ports.disk, self._seen(recovered), surroundings.failed)
        self.leading: Leading | None = None
        self.following: Following | None = None
        self.reports = Reports(ports.scheduler.time)
        self.followers = Followers(self.copy, self._leader_ms)
        refusals = RefusalLog(ports.scheduler.time)
        self.links = Links(ports.scheduler, settings.secret, self.introduction, ports.nonce, refusals)
        self.addresses = Addresses(self.copy, self.links)
        self.exchange = Exchange(self)
        self.entrance = Entrance(self.exchange.accepted, self.links.refusals)
        self.peers = Peers(ports.scheduler, ports.network, self.links.dialed)
        self._resuming: Resuming | None = None
        self._takeover: Takeover | None = None
        self.hand_over_under_way: HandOver | NewEpoch | None = None
        self.right = RightToLead(ports.lease, ports.scheduler, self._claim)
        self.succession = Succession(self)
        self.known_leader = ""  # where one said that it leads
        self.announced_http = ""  # where one said that it serves
        self.leader_said_ms = state.at_ms
        self.began_at = ports.scheduler.time()
        self._seen_epoch = 0
        self._pulse = Pulse(self)
        self.ended = False

    def _seen(self, recovered: Recovered) -> Promise:
        """What the journal says of epochs."""
        leader = self.copy.rules().leader
        mine = leader == self.settings.name or not leader
        return Promise(recovered.last_epoch, self.settings.node_id if mine else b"", leader or self.settings.name)

    @property
    def promise(self) -> Promise:
        return self._promises.promise

    # --- life

    def start(self) -> None:
        """Lead if this node was the last that did, or is the first; else look for somebody to follow."""
        if self.led_last and self.settings.voting:
            self.resume()
        else:
            if self.settings.lead_if_new:
                log.warning("this node follows: it has promised %s", self.promise)
            self._follow()
        self._pulse.start()

    @property
    def led_last(self) -> bool:
        """Everything that was ever answered is in this journal, as far as this node knows."""
        position, rules, own_id = self.copy.position, self.copy.rules(), self.settings.node_id
        if not position.seq:
            return self.settings.lead_if_new and self.promise == NOBODY
        if self.promise.node_id not in (b"", own_id) or self.promise.epoch > position.epoch + 1:
            return False
        # nobody else votes: a journal from before members were told of, or a copy brought back from a backup
        alone = self.settings.lead_if_new and len(rules.voters) <= 1
        return alone or (bool(self.promise.node_id) and rules.led_by(own_id, self.name))

    def accept(self) -> Receiver:
        """The receiver of a connection that another node opened."""
        return self.entrance.accept()

    def end(self) -> None:
        """Let go of everything but the disk; nothing is answered any more."""
        self.ended = True
        self._pulse.end()
        takeover, self._takeover = self._takeover, None
        if takeover is not None:
            takeover.cancel(f"{self.name} stops.")
        self._leave_role("This node stops")
        self.right.release()
        self.followers.drop_all("it stops")

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def loop(self) -> CommandLoop | None:
        """While this node leads."""
        return None if self.leading is None else self.leading.loop

    @property
    def leads(self) -> bool:
        """It leads, and is not about to hand over."""
        return self.leading is not None and self.hand_over_under_way is None

    @property
    def is_changing(self) -> bool:
        """It is asking others whether it may lead."""
        return self._takeover is not None or self._resuming is not None

    def introduction(self) -> Introduction:
        replication, http = self.ports.addresses()
        who = (frames.PROTOCOL, self.settings.node_id, self.copy.journal_id, self.name, self.settings.voting)
        return Introduction(*who, replication, http, self.settings.asks_nobody, frames.FACTS)

    def _claim(self) -> Claim:
        return Claim(self.name, self.settings.node_id, self.ports.addresses()[0], self.copy.journal_id)

    def _leader_ms(self) -> int:
        return self.leading.loop.now_ms() if self.leading is not None else self.leader_said_ms

    def _became_durable(self, _position: Position) -> None:
        if self.ended:
            return
        if self.leading is not None:
            self.leading.leader.became_durable()
        elif self.following is not None:
            self.following.became_durable()
            self.followers.pump()
        elif self._takeover is not None:
            self._takeover.begin_when_synced()

    # --- leading

    def resume(self) -> None:
        """Ask to lead again, if this node was the last that did."""
        if self.ended or self.leading is not None or self._takeover is not None or not self.led_last:
            return
        self._leave_role("This node asks to lead again")
        self._resuming = Resuming(self)
        self._resuming.begin()

    def resumed(self, epoch: int) -> None:
        """Nobody objects."""
        self._resuming = None
        if self.led_last:
            self.lead(epoch, self.settings.sync_standbys, at_once=False)
        else:
            self._follow()

    def not_resumed(self, leader: str, *, overtake: bool) -> None:
        """Somebody does. `leader`: where one leads; `overtake`: none does, but a later epoch was promised."""
        self._resuming = None
        self.known_leader = leader
        if overtake:
            self.overtake()
        else:
            self._follow()  # until it can be tried again, for one of them may lead by now

    def overtake(self) -> None:
        epoch = max(self._seen_epoch, self.promise.epoch) + 1
        self.take_over(epoch, accept_data_loss=False, handed_over=False, sync_standbys=None, told=nobody_asked)

    def lead(self, epoch: int, sync_standbys: int | None, *, at_once: bool) -> None:
        """Everything that was needed has been promised."""
        if self.ended:
            return
        self._promises.keep(Promise(epoch, self.settings.node_id, self.name))
        settings, ports = self.settings, self.ports
        leading = Leading(
            self.copy,
            self.followers,
            self.introduction(),
            epoch=epoch,
            sync_standbys=sync_standbys,
            at_once=at_once,
            ticket_key=ports.ticket_key,
            scheduler=ports.scheduler,
            now_ms=ports.clock(self.copy.state.at_ms),
            hold_ms=settings.hold_ms,
            meter=ports.meter,
            may_answer=self.right.may_answer,
        )
        self.leading = leading
        leading.on_committed = self.surroundings.committed
        self.surroundings.leads(leading.loop)
        leading.start()
        log.warning("%s leads in epoch %d, from seq %d on", self.name, epoch, self.copy.position.seq)
        self.exchange.announce()

    # --- following

    def _follow(self) -> None:
        self._leave_role("this node follows")
        self.right.release()
        self.following = Following(
            self.copy,
            StreamHost(self),
            self.links.dialed,
            self.ports.network,
            self.ports.scheduler,
            voting=self.settings.voting,
        )
        self.surroundings.follows()
        self.following.start()

    def _leave_role(self, detail: str) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None
        if self.leading is not None:
            leading, self.leading = self.leading, None
            leading.end(detail)
        if self.following is not None:
            following, self.following = self.following, None
            following.end()
        self.hand_over_under_way = None  # what became of it is told by the one it was handed to

    def step_aside(self, detail: str) -> None:
        self._leave_role(detail)
        self.followers.drop_all("it does not lead any more")

    def step_down(self, reason: str, leader: str = "") -> None:
        """Stop leading: somebody else was promised a later epoch."""
        if self.leading is None:
            return
        log.warning("%s leads no more: %s", self.name, reason)
        self.known_leader = leader
        self.step_aside("This node does not lead any more")
        if self.copy.at_rest:
            self._follow()
        else:
            self._restart("what it had decided and nobody was told of may have to be cut off")

    def _restart(self, reason: str) -> None:
        if not self.ended:
            self.end()
            self.surroundings.restart(reason)

    # --- the promise

    def promised(self, epoch: int, node_id: bytes, name: str, address: str) -> str:
        """Promise an epoch to a candidate; why not, or empty."""
        if refusal := self._promises.give(epoch, node_id, name) if self.settings.voting else "it does not vote":
            return refusal
        reason = f"epoch {epoch} is promised to {name}"
        if self.leading is not None:
            self.step_down(reason, address)
        elif self.following is not None:
            self.following.let_go(reason)
            self.following.look_at(address)
        elif self._takeover is not None or self._resuming is not None:
            takeover, self._takeover = self._takeover, None
            if takeover is not None:
                takeover.cancel(f"{self.name} does not lead: meanwhile {reason}.")
            self.known_leader = address
            self._follow()
        return ""

    def accepted_by(self, epoch: int, node_id: bytes, name: str) -> bool:
        """Whether a leader of this epoch may be followed; it is then the one promised."""
        return self._promises.accept(epoch, node_id, name, voting=self.settings.voting)

    def announced(self, epoch: int, leader: str, address: str, http: str) -> None:
        """Somebody says that it leads.

        Where one promise is enough to lead, two may do so in one epoch; neither can answer, so one of them gives way.
        """
        if self.leading is not None and epoch == self.leading.epoch and leader < self.name:
            self.step_down(f"{leader} leads in epoch {epoch}, too", address)
        if epoch >= self.promise.epoch and self.leading is None:
            self.announced_http = http
        self.heard_of(epoch, leader, address)

    def heard_of(self, epoch: int, who: str, address: str = "") -> None:
        """Somebody has promised, or leads in, an epoch. One that is above this node's own ends its leadership."""
        self._seen_epoch = max(self._seen_epoch, epoch)
        if self.leading is not None:
            if epoch > self.leading.epoch and self.hand_over_under_way is None:
                self.step_down(f"{who} knows of epoch {epoch}", address)
        elif epoch >= self.promise.epoch and address:
            self.known_leader = address
            if self.following is not None:
                self.following.look_at(address)

    # --- taking over and handing over

    def take_over(
        self, epoch: int, *, accept_data_loss: bool, handed_over: bool, sync_standbys: int | None, told: Told
    ) -> None:
        """Ask the others for `epoch`, and lead in it; `told` is called once, with how it went."""
        if self.leading is not None:
            told(True, [f"{self.name} leads already, in epoch {self.leading.epoch}."], self.leading.epoch)  # noqa: FBT003
            return
        if refusal := self._why_not(epoch):
            told(False, [refusal], self.promise.epoch)  # noqa: FBT003
            return
        self._promises.keep(Promise(epoch, self.settings.node_id, self.name))
        self._leave_role("This node takes over")
        self._takeover = Takeover(
            self,
            epoch=epoch,
            accept_data_loss=accept_data_loss,
            handed_over=handed_over,
            sync_standbys=sync_standbys,
            told=told,
        )
        self._takeover.begin_when_synced()

    def _why_not(self, epoch: int) -> str:
        if not self.settings.voting:
            return f"{self.name} is a replica: it holds no vote and can't lead."
        if self._takeover is not None:
            return f"{self.name} is taking over already, with epoch {self._takeover.epoch}."
        if epoch <= self.promise.epoch:
            return f"{self.name} has promised {self.promise}: somebody else was faster. Look again: `onsale status`."
        return ""

    def takeover_won(self, epoch: int, sync_standbys: int | None, *, at_once: bool) -> None:
        self._takeover = None
        self.lead(epoch, sync_standbys, at_once=at_once)

    def takeover_lost(self) -> None:
        self._takeover = None
        if not self.ended and self.following is None and self.leading is None:
            self._follow()

    def hand_over(self, name: str, told: Told) -> None:
        """Let another node lead; `told` is called once, with how it went."""
        sender = self.followers.senders.get(name)
        if self.leading is None or self.hand_over_under_way is not None or sender is None or not sender.voting:
            why = (
                f"{self.name} can't hand over to {name}: it must lead, hand over to nobody, and be followed by {name}."
            )
            told(False, [why], self.promise.epoch)  # noqa: FBT003
            return
        address = self.followers.peer(name).replication
        epoch = max(self._seen_epoch, self.promise.epoch, self.leading.epoch) + 1
        self.hand_over_under_way = HandOver(self, sender, address, epoch, told)
        self.surroundings.pauses()
        self.hand_over_under_way.begin()

    def handed_over_not(self) -> None:
        self.hand_over_under_way = None
        if self.leading is not None:
            self.right.obtain(lambda _reply: None, by_order=True)  # the other one may have it
            self.leading.resume()
            self.surroundings.leads(self.leading.loop)
