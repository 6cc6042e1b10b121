"""Latencies of the chip's pipelines, in cycles: the RTL is built from them, the timing simulator reads them."""

from dataclasses import dataclass

from lithify.chip.description import Chip

MEMORY_READ = 2
"""From a read's address at a scratchpad port to its data at the port."""

DRAM_LATENCY = 100
"""From the acceptance of a burst's address to its first data beat, in the memory model of every published figure."""


BURSTS_IN_FLIGHT = 32
"""Bursts that the load unit, and the store unit, may each have issued and not finished."""

TRANSFER_START = 5
"""From the start of a LOAD or STORE to the cycle that may issue its first burst."""

PLANE_CYCLES = 3
"""The first row of a plane is ready no sooner than this after the first row of the plane before."""

LOAD_RETIRE = 6
"""From the last data beat of a LOAD on the bus to its retirement."""

STORE_RETIRE = 2
"""From the last data beat of a STORE on the bus to its retirement; the response comes in between."""

LIST_BYTES = 32
"""Of a list that the load unit reads at once: DRAM addresses of 4 bytes."""

LIST_READ = 6
"""From the last data beat of a list on the bus to the first row that it leads to being ready."""

SKIPPED = 1
"""From the cycle in which an instruction is passed over to its retirement."""

FETCH_GRANULES = 16
"""Granules of the fetch queue."""

FETCH_BURST_BYTES = 128
"""Bytes of one burst of the fetch unit."""

FETCH_ARRIVE = 2
"""From the beat on the bus that completes a granule to the cycle in which the decoder can take it."""


@dataclass(frozen=True)
class ComputePipeline:
    """Distances in the compute unit, from issue to effect (see docs/architecture.md, section 5).

    take: from an instruction's start to the first cycle in which the feeder may take it.
    window: from the issue of a word to the cycle in which the array multiplies it.
    accumulate: from the issue of a word to the first cycle in which a beat can ask for its sum.
    stream: from the issue of a STREAM position's last word to the first beat of the position.
    sums: from a beat's issue to the cycle in which the lanes take its sum, maximum or product. All that follows is
    counted from there.
    walk: from the issue of a position's word to the cycle in which P works out where its factor lies; with "multiply".
    factor: from there to the address of the factor's word at the residual port.
    product: from the issue of a position's word to the first beat of its products.
    bias, multiplier: to the cycle in which a beat reads these from the parameters; the lanes take a multiplier a cycle
    later, for by then the parameters of the next group may be there.
    rounded: to the cycle that scales and rounds to int8 (bias, conversion, product before it).
    addend: to the cycle in which the lanes read the multipliers of an addition.
    residual: to the address of a beat's residual word; used only with the unit "add".
    lane: to the results at the lanes.
    result: to the write of the word that a beat completes.
    retire: from the issue of an instruction's last beat to its retirement.
    """

    take: int
    window: int
    accumulate: int
    stream: int
    walk: int
    factor: int
    product: int
    sums: int
    bias: int
    multiplier: int
    rounded: int
    addend: int
    residual: int
    lane: int
    result: int

    @property
    def retire(self) -> int:
        return self.sums + self.result + 1


SUM_STAGES = 2
"""Cycles from a beat to its sums: its number goes to all columns, and each reads its accumulator."""

SCALE_STAGES = 9
"""Cycles of a lane after the one that reads the sum: bias, normalise (2), round, multiply (2), round, align to an
integer, clamp.
"""

ADD_STAGES = 13
"""More cycles with the unit "add": subtract, normalise, multiply (2), round, order, align, add, normalise (2), round,
align to an integer, clamp.
"""

LOOKUP_STAGES = 1
"""More cycles with the unit "lookup": from a result to its entry in the table."""

PRODUCT_STAGES = 2
"""Between a factor at the scratchpad's port and the lanes, after its register: zero points, product."""


def accumulate(chip: Chip) -> int:
    """`ComputePipeline.accumulate` of a chip: a wider column needs one more stage of its adder tree."""
    return MEMORY_READ + 1 + (2 if chip.rows <= 16 else 3)


def compute_pipeline(chip: Chip) -> ComputePipeline:
    """The compute pipeline of a chip."""
    window = MEMORY_READ + 1
    walk, factor = 1, 2
    lane = SCALE_STAGES + 1 + (ADD_STAGES if chip.has("add") else 0)
    return ComputePipeline(
        take=2,
        window=window,
        accumulate=accumulate(chip),
        stream=window + 1 - SUM_STAGES,
        walk=walk,
        factor=factor,
        product=walk + factor + MEMORY_READ + 1 + PRODUCT_STAGES - SUM_STAGES,
        sums=SUM_STAGES,
        bias=0,
        multiplier=3,
        rounded=SCALE_STAGES,
        addend=SCALE_STAGES + 3,
        residual=SCALE_STAGES - MEMORY_READ,
        lane=lane,
        result=lane + (LOOKUP_STAGES if chip.has("lookup") else 0),
    )
