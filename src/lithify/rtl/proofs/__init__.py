"""Formal proofs: blocks against their contracts, by SymbiYosys and an SMT solver."""
