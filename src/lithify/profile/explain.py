"""Why a layer takes its cycles, in sentences for someone who did not write the compiler."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lithify.chip import Chip
from lithify.sim.cost import ARRAY, DRAIN, POST, RESULTS, TRANSFERS, VECTOR, WEIGHTS, LayerCost

if TYPE_CHECKING:
    from lithify.profile.inference import Profile

MEANING = {
    ARRAY: "words go to the multipliers",
    WEIGHTS: "the array waits for its next set of weights",
    POST: "the array waits for post-processing to free accumulators",
    RESULTS: "the array waits for results that an earlier instruction has still to write",
    VECTOR: "the array waits for the vector unit",
    TRANSFERS: "the array waits for DRAM or for its next instruction",
    DRAIN: "everything is fed, and the last results are written",
}
"""What a cycle of each kind in `sim/cost.py` means."""

_WAITING = {
    "weights": "weights to arrive from DRAM",
    "input": "its input to arrive from DRAM",
    "activations": "activations, which had left the chip, to come back from DRAM",
    "stores": "a store to DRAM to finish",
    "instructions": "the instruction itself to be fetched and to start",
}

_REMEDY = {
    "weights": "Loading them while an earlier layer computes would hide that.",
    "input": "Nothing runs before the first layer that could hide that: only more bandwidth or a smaller input would.",
    "activations": "A schedule or a scratchpad that keeps the tensor on the chip would avoid it.",
    "stores": "A schedule that hands rows straight to the next layer would keep them on the chip.",
}

_ADVICE = {
    WEIGHTS: "Each set of weights serves few positions before the next is needed: larger tiles (more accumulators a "
    "column) or a wider weight port could help.",
    POST: "More lanes would help: results are made faster than they are rounded.",
    RESULTS: "This layer needs the layer before it complete; cutting both into bands of rows, or something else to "
    "compute meanwhile, would hide the wait.",
    VECTOR: "Something that does not need its results would hide it; more lanes help up to four.",
    DRAIN: "A longer layer, or one that follows, would hide it.",
}


def headline(profile: "Profile") -> str:
    """The whole inference in a few sentences: what it takes, how near the least that is, and what would help most."""
    found, roof = profile.simulation, profile.roofline
    if not found.cycles:
        return "Nothing of this network runs on the chip."
    spent = profile.spent()
    most = max((name for name in spent if name != ARRAY), key=lambda name: spent[name])
    bound = "its multiplications" if roof.compute_cycles >= roof.memory_cycles else "the bytes it has to move"
    parts = [
        f"One inference takes {found.cycles:,} cycles; no schedule could take fewer than {roof.cycles:,.0f}, because "
        f"of {bound}. In {_percent(spent[ARRAY] / found.cycles)} of the cycles the array is fed; what costs most of "
        f"the others ({_percent(spent[most] / found.cycles)} of all) is that {MEANING[most]}."
    ]
    largest = max(profile.layers, key=lambda layer: layer.cost.cycles, default=None)
    if largest is not None:
        share = _percent(largest.cost.cycles / found.cycles)
        parts.append(f"The most expensive layer is {largest.cost.name}, with {share} of the cycles.")
    worst = max(profile.layers, key=lambda layer: layer.lost, default=None)
    if worst is not None and worst is not largest and worst.lost:
        share = _percent(worst.lost / found.cycles)
        parts.append(f"{worst.cost.name} loses most: {share} of all cycles more than its multiplications need.")
    best = next((row for row in profile.helped if not row.bound), None)
    if best is not None and best.saved >= 0.01:
        parts.append(f"Of the changes tried, {best.name} saves most: {_percent(best.saved)} of the cycles.")
    elif best is not None:
        parts.append("None of the changes tried saves even 1 % of the cycles.")
    if profile.host_nodes:
        names = ", ".join(dict.fromkeys(profile.host_nodes))
        parts.append(f"The host runs {names}; its time is no part of the cycles.")
    return " ".join(parts)


def why(cost: LayerCost, waited: Mapping[str, int], useful: float, chip: Chip, helped: Mapping[str, int]) -> str:
    """A few sentences about a layer. useful: share of the multipliers with a product to make, while the array is fed;
    helped: its cycles under each change that was tried.
    """
    if not cost.cycles:
        return "It takes no cycles of its own: it is part of another layer's instructions, or hidden behind them."
    share = cost.spent[cost.limit] / cost.cycles
    parts = [f"In {_percent(share)} of its {cost.cycles:,} cycles {MEANING[cost.limit]}."]
    if cost.limit == ARRAY and not cost.macs:
        parts = [f"In {_percent(share)} of its {cost.cycles:,} cycles words pass through the chip, one a cycle."]
    elif cost.limit == ARRAY:
        parts.append(_fed(cost, waited, useful, chip))
    elif cost.limit == TRANSFERS:
        most = max(waited, key=lambda name: waited[name])
        parts.append(f"Mostly it waits for {_WAITING[most]} ({waited[most]:,} cycles).")
        parts += [_REMEDY[most]] if most in _REMEDY else []
    else:
        parts.append(_ADVICE[cost.limit])
    if helped:
        best = min(helped, key=lambda name: helped[name])
        if helped[best] < 0.98 * cost.cycles:
            saved = _percent(1 - helped[best] / cost.cycles)
            parts.append(f"Of what was tried, {best} helps it most: {helped[best]:,} cycles, {saved} fewer.")
    return " ".join(parts)


NEAR = 0.85
"""A layer is near its limit from this share on: of its cycles that are fed, and of the multipliers at work in them."""


def _fed(cost: LayerCost, waited: Mapping[str, int], useful: float, chip: Chip) -> str:
    share = f"{_percent(useful)} of the {chip.multipliers} multipliers do useful work"
    if useful > NEAR and cost.spent[ARRAY] > NEAR * cost.cycles:
        return f"In those, {share}: it runs near its limit."
    if useful > NEAR:
        other = max((name for name in cost.spent if name != ARRAY), key=lambda name: cost.spent[name])
        most = max(waited, key=lambda name: waited[name])
        rest = f"it waits for {_WAITING[most]}" if other == TRANSFERS else MEANING[other]
        return f"In those, {share}; of the others most are lost because {rest}."
    return (
        f"But only {share} then: channels or windows do not fill the {chip.rows} rows and {chip.columns} columns of "
        "the array, or padding is multiplied."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
