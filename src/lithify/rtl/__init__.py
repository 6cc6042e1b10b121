"""The hardware, in Amaranth; its Verilog; its simulation."""
