"""Lowers a quantised graph to a program: the compiler's steps, a file each (docs/compiler.md tells the whole).

- fold: nodes of constants are computed
- lower: each node to chip operations, or the reason why not
- assign: chip or host, aliases, fused additions, segments
- rows: inputs of few channels to packed rows
- beside: the order of operations, so that array and vector unit both work
- memory: what stays on the chip; blocks: how each operation is cut (cost: the estimates behind both)
- steps: one compute instruction each, with its buffers; turns: their order
- ring: where weights lie and when they are loaded
- emit: fields of instructions
- schedule: program order
- tokens: wait and signal masks, serial flags
"""

from lithify.compiler.compile import Compilation, compile_graph, compile_with_reasons

__all__ = ["Compilation", "compile_graph", "compile_with_reasons"]
