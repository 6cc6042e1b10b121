"""The power of a mapped chip while it runs a network: every net's activity, from the run of its Verilog."""
