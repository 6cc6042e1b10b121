"""Two linked nodes running a network together, in RTL and in the simulators: the same bits in the same cycles."""

from lithify.cluster.linked.run import History, run_in_rtl, run_in_simulators

__all__ = ["History", "run_in_rtl", "run_in_simulators"]
