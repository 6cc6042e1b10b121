"""The compute unit: weights, feeder, dot-product array, post-processing (docs/architecture.md, sections 4 and 5)."""

from lithify.rtl.compute.unit import ComputeUnit

__all__ = ["ComputeUnit"]
