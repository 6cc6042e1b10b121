"""Nodes, two and two linked, from the start of their orders to the end of all: bits, and the cycle of everything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip.pipeline import DRAM_LATENCY
from lithify.errors import LithifyError
from lithify.isa.peer import TIMEOUT, TRIES, Order, Wires
from lithify.sim.timing.peer.damage import Word, damaged
from lithify.sim.timing.peer.orders import Launch, Orders
from lithify.sim.timing.peer.receiver import Receiver
from lithify.sim.timing.peer.sender import Sender


@dataclass(frozen=True)
class NodeTask:
    """What a node is given. dram: its memory, changed in place; orders; start: the cycle in which they are started;
    launch: what its chip does at its doorbell.
    """

    dram: NDArray[np.uint8]
    orders: Sequence[Order]
    start: int
    launch: Launch | None = None
    timeout: int = TIMEOUT
    tries: int = TRIES


@dataclass(frozen=True)
class NodeRun:
    """What a node did. elapsed: cycles that the orders took; causes: why they ended early, as `isa.peer.CAUSES`; runs:
    of the chip, first cycle and cycles; words: each that it put on its link, with its cycle; counters: by register.
    """

    elapsed: int
    causes: tuple[int, ...]
    runs: tuple[tuple[int, int], ...]
    words: tuple[tuple[int, Word], ...]
    counters: dict[str, int]


class _Node:
    def __init__(self, task: NodeTask, latency: int) -> None:
        self.task = task
        self.sender, self.receiver = Sender(task.dram, latency), Receiver(task.dram, latency)
        self.sender.timeout, self.sender.tries = task.timeout, task.tries
        self.orders = Orders(task.orders, task.start, task.launch)
        self.words: list[tuple[int, Word]] = []

    @property
    def quiet(self) -> bool:
        return self.sender.quiet and self.receiver.quiet

    def step(self, now: int, far: Word | None) -> None:
        sender, receiver = self.sender, self.receiver
        transfer = self.orders.step(now, ready=sender.ready, idle=sender.idle, dead=sender.dead)
        sender.step(now, receiver.came, receiver.own, transfer)
        if receiver.step(now, far):
            self.orders.arrive()

    def result(self) -> NodeRun:
        assert self.orders.ended is not None
        sender, receiver = self.sender, self.receiver
        return NodeRun(
            self.orders.ended - self.task.start,
            self.orders.causes,
            tuple(self.orders.runs),
            tuple(self.words),
            {
                "FRAMES_SENT": sender.sent_frames,
                "FRAMES_AGAIN": sender.again_frames,
                "FRAMES_TAKEN": receiver.taken,
                "CHECK_ERRORS": receiver.wrong,
                "TIMEOUTS": sender.timeouts,
                "MESSAGES": receiver.messages,
            },
        )


def simulate_nodes(
    tasks: Sequence[NodeTask], wires: Wires, *, latency: int = DRAM_LATENCY, limit: int = 1 << 40
) -> tuple[NodeRun, ...]:
    """Runs nodes, 0 linked with 1, 2 with 3, until the orders of all have ended and all that was sent has come.

    Cycles in which only chips work are passed over. latency: of the memories. Raises LithifyError for orders that can
    never end, and where they have not after `limit` cycles.
    """
    nodes = [_Node(task, latency) for task in tasks]
    wire: dict[tuple[int, int], Word] = {}  # by the cycle in which it arrives and the node to which
    now = 0
    while True:
        if not wire and all(node.quiet for node in nodes):
            if all(node.orders.ended is not None for node in nodes):
                break
            wakes = [wake for node in nodes if (wake := node.orders.wake()) is not None]
            if not wakes:
                raise LithifyError("The orders never end: a node awaits a message that no other sends.")
            now = max(now, min(wakes))
        if now >= limit:
            raise LithifyError(f"The nodes had not finished after the limit of {limit} cycles.")
        for index, node in enumerate(nodes):
            if node.sender.out is not None:
                node.words.append((now, node.sender.out))
                arriving = damaged(wires, index, now, node.sender.out)
                if arriving is not None:
                    wire[now + wires.latency, index ^ 1] = arriving
        for index, node in enumerate(nodes):
            node.step(now, wire.pop((now, index), None))
        now += 1
    return tuple(node.result() for node in nodes)
