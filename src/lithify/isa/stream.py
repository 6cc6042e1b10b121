"""The result stream: every word of results, in order (docs/architecture.md, section 7)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ResultStream:
    """Words written in one chip segment: by the compute unit in its order, then by the vector unit in its own.

    addresses: [n] int32, scratchpad word addresses. words: [n, word bytes] int8.
    """

    addresses: NDArray[np.int32]
    words: NDArray[np.int8]
