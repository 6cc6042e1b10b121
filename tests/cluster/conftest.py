"""The simulator of two nodes, built once for all tests here."""

from pathlib import Path

import pytest

from lithify.chip import load_chip
from lithify.rtl.simulation.nodes import build_nodes


@pytest.fixture(scope="session")
def library() -> Path:
    """Nodes with the chip `tiny`."""
    return build_nodes(load_chip("tiny")).library
