"""The vector unit: float32 arithmetic that is no matrix product (docs/vector.md, docs/decisions)."""
