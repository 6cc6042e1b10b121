"""What one layer costs on the chip."""

from collections.abc import Mapping
from dataclasses import dataclass

ARRAY = "array"
WEIGHTS = "weight port"
POST = "post-processing"
RESULTS = "earlier results"
VECTOR = "vector unit"
TRANSFERS = "transfers"
DRAIN = "drain"

SPENT = (ARRAY, WEIGHTS, POST, RESULTS, VECTOR, TRANSFERS, DRAIN)
"""What a cycle can be spent on, from the feeder's view: words go to the array; or it waits for a weight set; for
post-processing to free accumulators or to begin; for earlier instructions to retire; for the vector unit; for a load or
store (DRAM) or for the program itself; or nothing is left to feed and the last results are written.
"""


@dataclass(frozen=True)
class LayerCost:
    """A layer on the chip. cycles: from the last word fed for the layer before to its own last word; of a layer of the
    vector unit those in which the array waits for it.

    spent: the cycles by what they are spent on, see SPENT; they add up to `cycles`. limit: the largest of them.
    utilisation: multiply-accumulates of the layer over those that the array could do in its cycles.
    dram_bytes: of the bus beats of its loads and stores.
    """

    name: str
    operator: str
    macs: int
    cycles: int
    utilisation: float
    dram_bytes: int
    spent: Mapping[str, int]
    limit: str
