"""The unit that carries out a node's orders, in cycles from order to order."""

from collections.abc import Callable, Mapping, Sequence

from lithify.isa.peer import Opcode, Order

RUN_CYCLES = 7
"""From a run's cycles to the cycle in which the next order is looked at: interrupt, STATUS, acknowledgement."""

SET_CYCLES, NEXT_CYCLES = 3, 2
"""From the cycle in which an order is done to the one in which the next is looked at."""

START_CYCLES = 2
"""From the write that starts the orders to the first of them."""

Launch = Callable[[Mapping[int, int]], int]
"""What a chip does at its doorbell: registers by offset -> the cycles it counts; its DRAM is then as it leaves it."""


class Orders:
    """One order after the other. start: the cycle in which they were started."""

    def __init__(self, orders: Sequence[Order], start: int, launch: Launch | None) -> None:
        self.cycle: int | None = start + START_CYCLES
        """In which the next order is looked at for the first time; None: they have ended."""
        self.ended: int | None = None
        self.causes: tuple[int, ...] = ()
        self.runs: list[tuple[int, int]] = []
        """Of each run of the chip: the cycle that its counter counts first, and how many it counts."""
        self._orders, self._place, self._launch = orders, 0, launch
        self._registers: dict[int, int] = {}
        self._arrived = 0
        self._next_arrived = 0

    def step(self, now: int, *, ready: bool, idle: bool, dead: bool) -> tuple[int, int, int] | None:
        """A cycle; the message that is handed to the sender. ready: it takes one. idle, dead: the sender's."""
        self._arrived += self._next_arrived
        self._next_arrived = 0
        if self.cycle is None or now < self.cycle:
            return None
        order = self._orders[self._place]
        if dead:
            self._end(now, 0)
        elif order.opcode is Opcode.SET:
            self._registers[order["offset"]] = order["value"]
            self._next(now + SET_CYCLES)
        elif order.opcode is Opcode.RUN:
            assert self._launch is not None, "an order to run a chip that is not there"
            cycles = self._launch(self._registers)
            self.runs.append((now + 1, cycles))
            self._next(now + cycles + RUN_CYCLES)
        elif order.opcode is Opcode.SEND:
            if ready:
                self._next(now + NEXT_CYCLES)
                return order["words"], order["source"], order["target"]
        elif order.opcode is Opcode.AWAIT:
            if self._arrived >= order["messages"]:
                self._arrived -= order["messages"]
                self._next(now + NEXT_CYCLES)
            elif order["patience"] and now - self.cycle == order["patience"]:
                self._end(now, 1)
        elif idle:
            self._end(now)
        return None

    def arrive(self) -> None:
        """A message is whole in memory; it can be awaited from the next cycle on."""
        self._next_arrived += 1

    def wake(self) -> int | None:
        """The next cycle in which something happens by itself, if nothing comes."""
        if self.cycle is None:
            return None
        order = self._orders[self._place]
        if order.opcode is Opcode.AWAIT and order["messages"] > self._arrived + self._next_arrived:
            return self.cycle + order["patience"] if order["patience"] else None
        return self.cycle

    def _next(self, cycle: int) -> None:
        self._place += 1
        self.cycle = cycle

    def _end(self, now: int, *causes: int) -> None:
        self.ended, self.cycle, self.causes = now, None, causes
