"""What every operator of a quantised graph means, in numpy: the judge of everything below it.

`graph` is the quantised graph, `operators` the table of operators and `make_node`, `check` refuses what is not a
graph, and `evaluate.run` gives every tensor. The definitions are in `products` (Conv, Gemm), `transposed`
(ConvTranspose), `pairs` (Add, Sub, Mul), `pooling`, `reductions`, `movement`, `pieces` (Concat, Split, Slice),
`resize`, `elementwise` and `host`; docs/numbers.md is their contract. `coordinates` says where a resized image looks,
`functions` and `table` fill the tables of Lookup.
"""
