"""LOAD and STORE: strided copies between DRAM and the scratchpad."""
