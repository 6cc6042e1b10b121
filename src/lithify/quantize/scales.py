"""From ranges to the scale and zero point of every int8 tensor; tensors among which values only move share them."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from lithify.optimize.recurrent import role_of
from lithify.optimize.values import constant
from lithify.quantize.gathers import gathered_table
from lithify.quantize.placement import Work
from lithify.quantize.ranges import Range
from lithify.quantize.step import Scale
from lithify.quantize.weights import multiplies_activations

_STEPS = 255
_LEAST = -128
_LARGEST = 127

TWO_SIDED = 4.0
"""A range has two sides if the shorter is at least this part of the longer: a zero point of 0 then loses one bit at
most."""

SHARED_WITHIN = 4.0
"""A part of a Concat takes the scale of the whole at once if its own range is at least this part of it: others that
read it lose two bits at most. Where the Concat is its only reader nothing is lost, for it is rounded once only."""


def scales(works: Sequence[Work], ranges: Mapping[str, Range]) -> dict[ir.Value, Scale]:
    """The scale of every tensor that the work reads or makes, by its range."""
    groups = _Groups(works, ranges)
    for work in works:
        table = gathered_table(work.layer)
        if table is not None:
            # Whatever rows the samples chose: all of the table is stored at the scale of what is gathered.
            groups.cover(work.outputs[0], Range(min(float(table.min()), 0.0), max(float(table.max()), 0.0)))
    alike: dict[str, ir.Value] = {}
    for value in groups.values:
        if (role := role_of(value)) is not None:
            groups.join(alike.setdefault(role, value), value)
    for work in works:
        if work.moves and work.layer.op_type != "Concat":
            for value in (*work.inputs[1:], *work.outputs):
                groups.join(work.inputs[0], value)
    for work in works:
        if work.layer.op_type == "Concat":
            _join_parts(work, groups)
    factors = {groups.first(value) for work in works if multiplies_activations(work.layer) for value in work.inputs}
    rules = {value: factor_scale if groups.first(value) in factors else scale for value in groups.values}
    found = {value: rule(groups.range_of(value)) for value, rule in rules.items()}
    for work in works:
        factor = _factor(work)
        if factor is not None and groups.makers(work.outputs[0], works) == [work]:
            own = found[work.inputs[0]]
            scaled = Scale(np.float32(own.step * factor), own.zero_point)
            if np.finfo(np.float32).tiny <= scaled.step < np.inf:
                found.update(dict.fromkeys(groups.members(work.outputs[0]), scaled))
    return found


def _factor(work: Work) -> np.float32 | None:
    """The positive number that the work multiplies all values with: it changes their scale and no integer."""
    (node, *others) = work.nodes
    if others or node.op_type not in ("Mul", "Div") or node.domain != "":
        return None
    for index in (0, 1) if node.op_type == "Mul" else (1,):
        number = constant(node.inputs[index])
        if number is not None and number.size == 1 and number.dtype == np.float32 and number.reshape(()) > 0:
            value = np.float32(number.reshape(()))
            with np.errstate(over="ignore"):
                return value if node.op_type == "Mul" else np.float32(1 / value)
    return None


def scale(covered: Range) -> Scale:
    """The scale whose 256 integers cover the range, zero among them exactly."""
    step = (covered.high - covered.low) / _STEPS
    if step < float(np.finfo(np.float32).tiny):
        return Scale(np.float32(1), 0)
    return Scale(np.float32(step), round(_LEAST - covered.low / step))


def factor_scale(covered: Range) -> Scale:
    """The scale of a factor of a product of two activations, where every zero point takes a pass over the other one and
    -128 takes two: none where the range has two sides.
    """
    largest = max(-covered.low, covered.high)
    if largest / _LARGEST < float(np.finfo(np.float32).tiny):
        return Scale(np.float32(1), 0)
    if min(-covered.low, covered.high) * TWO_SIDED >= largest:
        return Scale(np.float32(largest / _LARGEST), 0)
    step = (covered.high - covered.low) / (2 * _LARGEST)
    return Scale(np.float32(step), round(-_LARGEST - covered.low / step))


def _join_parts(work: Work, groups: "_Groups") -> None:
    (whole,) = work.outputs
    for part in work.inputs:
        alone = len(part.uses()) == 1 and not part.is_graph_output()
        if alone or groups.range_of(part).width * SHARED_WITHIN >= groups.range_of(whole).width:
            groups.join(part, whole)


class _Groups:
    """Sets of tensors with one scale, and the range that covers all of each."""

    def __init__(self, works: Sequence[Work], ranges: Mapping[str, Range]) -> None:
        self.values = tuple(dict.fromkeys(value for work in works for value in (*work.inputs, *work.outputs)))
        self._leader = {value: value for value in self.values}
        self._ranges = {value: ranges[str(value.name)] for value in self.values}

    def join(self, first: ir.Value, second: ir.Value) -> None:
        a, b = self.first(first), self.first(second)
        if a is not b:
            self._leader[b] = a
            self._ranges[a] = self._ranges[a] | self._ranges[b]

    def cover(self, value: ir.Value, covered: Range) -> None:
        self._ranges[self.first(value)] = covered

    def members(self, value: ir.Value) -> list[ir.Value]:
        """All tensors that share a scale with this one."""
        return [other for other in self.values if self.first(other) is self.first(value)]

    def makers(self, value: ir.Value, works: Sequence[Work]) -> list[Work | None]:
        """What makes values of these tensors, but for what only moves them; None for what the chip does not make."""
        members = set(self.members(value))
        made = {output: work for work in works for output in work.outputs}
        makers = [made.get(member) for member in members]
        return [work for work in makers if work is None or not work.moves]

    def range_of(self, value: ir.Value) -> Range:
        return self._ranges[self.first(value)]

    def first(self, value: ir.Value) -> ir.Value:
        """The tensor that stands for all that share a scale with this one."""
        while self._leader[value] is not value:
            value = self._leader[value]
        return value
