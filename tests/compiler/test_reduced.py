"""Shapes of stretches in fewer words: the same turns and the same rings."""

import pytest
from tests.compiler.small_graph import residual_network

from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.compiler.planning import cuts
from lithify.compiler.planning.stretch import Shape, Way, reduced


def test_reduced_shapes_have_the_same_turns_and_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Shape] = []
    monkeypatch.setattr(cuts, "reduced", lambda shape: shapes.append(shape) or reduced(shape))
    compile_graph(residual_network(), load_chip("tiny"))
    assert any(reduced(shape) != shape for shape in shapes) and len(shapes) > 10
    for shape in shapes:
        # As long in other words, in banks of other words.
        longer = shape._replace(
            words=tuple(3 * count for count in shape.words),
            whole_words=tuple(3 * count for count in shape.whole_words),
            bank_words=3 * shape.bank_words,
        )
        assert reduced(longer) == reduced(shape)
        for way in (Way(1), Way(2), Way(5, woven=True), Way(4, 8, True)):
            assert cuts.outline.__wrapped__(shape, way) == cuts.outline.__wrapped__(reduced(shape), way)
