"""Orders given to simulated nodes through their registers, carried out to their end, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lithify.errors import LithifyError
from lithify.isa.peer import BY_NAME, ORDER_BYTES, ORDERS, ORDERS_OFFSET, PAGE_ORDERS, Order
from lithify.rtl.simulation.nodes import Nodes

COUNTERS = ("FRAMES_SENT", "FRAMES_AGAIN", "FRAMES_TAKEN", "CHECK_ERRORS", "TIMEOUTS", "MESSAGES")


@dataclass(frozen=True)
class Carried:
    """What a node did with its orders. start: the cycle of the write that started them; elapsed: cycles that they took;
    causes: why they ended early, as `isa.peer.CAUSES`; counters: by register.
    """

    start: int
    elapsed: int
    causes: tuple[int, ...]
    counters: Mapping[str, int]


def carry_out(nodes: Nodes, orders: Sequence[Sequence[Order]], *, cycle_limit: int = 1 << 40) -> tuple[Carried, ...]:
    """Gives each node its orders, starts them one node after the other, and waits until all have ended.

    Raises LithifyError for more orders than a node holds, and as `Nodes.run`.
    """
    for node, entries in enumerate(orders):
        if len(entries) > ORDERS:
            raise LithifyError(f"Node {node} was given {len(entries)} orders; it holds {ORDERS}.")
        for index, entry in enumerate(entries):
            place = index % PAGE_ORDERS
            if not place:
                nodes.write(node, BY_NAME["LINK_PAGE"].offset, index // PAGE_ORDERS)
            data = entry.encoded()
            for word in range(ORDER_BYTES // 4):
                value = int.from_bytes(data[4 * word : 4 * word + 4], "little")
                nodes.write(node, ORDERS_OFFSET + ORDER_BYTES * place + 4 * word, value)
    control = BY_NAME["LINK_CONTROL"].offset
    starts = [nodes.write(node, control, 1) for node in range(len(orders))]
    nodes.run(cycle_limit)
    found = []
    for node, start in enumerate(starts):
        values = {name: nodes.read(node, BY_NAME[name].offset) for name in (*COUNTERS, "ELAPSED", "LINK_STATUS")}
        status = values.pop("LINK_STATUS") >> 2
        causes = tuple(bit for bit in range(4) if status >> bit & 1)
        found.append(Carried(start, values.pop("ELAPSED"), causes, values))
        nodes.write(node, control, 2)
    return tuple(found)
