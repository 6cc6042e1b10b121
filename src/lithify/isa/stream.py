"""The result stream: every word that post-processing writes, in order (docs/architecture.md, section 7)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ResultStream:
    """Words written by the compute unit of one chip segment, in the order of writing.

    addresses: [n] int32, scratchpad word addresses. words: [n, word bytes] int8.
    """

    addresses: NDArray[np.int32]
    words: NDArray[np.int8]
