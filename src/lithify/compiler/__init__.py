"""Lowers a quantised graph to a program: the compiler's steps, a room each (docs/compiler.md tells the whole).

- fold: nodes of constants are computed
- lowering, vector: each node to chip operations, or the reason why not; host: models of what the host runs instead
- assign: chip or host, aliases, fused additions, segments
- rows: inputs of few channels to packed rows
- planning: the order of operations, what stays on the chip, how each operation is cut (cost: the estimates behind it)
- steps: one for each compute instruction, with its buffers, and where its weights lie
- instructions: their fields, program order, wait and signal masks
- samples, lengths, states: programs for fewer samples, for caches of fewer rows, for tensors that stay between runs
"""

from lithify.compiler.compile import Compilation, compile_graph, compile_with_reasons

__all__ = ["Compilation", "compile_graph", "compile_with_reasons"]
