"""What the integers of an int8 tensor mean."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """What the integers of an int8 tensor mean: real = (integer - zero_point) * step."""

    step: np.float32
    zero_point: int
