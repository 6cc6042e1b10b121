"""Pictures as inputs: how one becomes what a network takes, and which part of that the chip does."""

from lithify.preprocessing.chain import KEY, Chain, chain_from_json
from lithify.preprocessing.picture import INTERPOLATIONS, SUFFIXES, Preprocessing, pictures
from lithify.preprocessing.text import from_json, from_mapping, from_toml

__all__ = [
    "INTERPOLATIONS",
    "KEY",
    "SUFFIXES",
    "Chain",
    "Preprocessing",
    "chain_from_json",
    "from_json",
    "from_mapping",
    "from_toml",
    "pictures",
]
