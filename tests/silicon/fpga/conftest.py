"""Command lines, as the tests of the commands run them."""

from tests.cli.conftest import run as run
