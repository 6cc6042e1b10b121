"""What stands around the chip on an FPGA: memory in blocks, and the link to the host."""
