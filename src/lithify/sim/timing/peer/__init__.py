"""The link between chips and the orders that use it, cycle by cycle: what `rtl/peer` does, from its description."""

from lithify.sim.timing.peer.nodes import NodeRun, simulate_nodes

__all__ = ["NodeRun", "simulate_nodes"]
