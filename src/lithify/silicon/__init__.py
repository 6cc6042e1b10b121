"""From Verilog to silicon: external tools behind dataclasses. Each tool is optional; its absence is one sentence."""
