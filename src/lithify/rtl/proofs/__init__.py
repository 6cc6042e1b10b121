"""Formal proofs: blocks against their contracts, by SymbiYosys and an SMT solver."""

from lithify.rtl.proofs.proof import Proof
from lithify.rtl.proofs.sby import Proved, prove
from lithify.rtl.proofs.table import PROOFS, proof_named

__all__ = ["PROOFS", "Proof", "Proved", "proof_named", "prove"]
