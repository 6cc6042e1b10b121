"""Decoding with caches on the chip: cycles of a token by its position. Writes docs/decoding.md.

python benchmarks/decoding.py
"""

from pathlib import Path

import numpy as np

import lithify
from lithify.networks.decoder import decoder, states
from lithify.program import Program

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "decoding.md"
CHIP = "mac256_vector"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
LAYERS, WIDTH, HEADS, LENGTH, VOCABULARY = 2, 256, 4, 1024, 512


def programs(tokens: int) -> tuple[Program, Program]:
    """The decoder that takes so many tokens at once, with lengths of its own for fewer rows and without."""
    random = np.random.default_rng(1)
    samples = [
        {
            "tokens": random.integers(0, VOCABULARY, (1, tokens)),
            "position": random.integers(0, LENGTH - tokens + 1, (1,)),
            **{name: random.normal(0, 1, (1, LENGTH, WIDTH)).astype(np.float32) for name in states(LAYERS)},
        }
        for _ in range(3)
    ]
    model = lithify.optimize(lithify.load(decoder(LAYERS, WIDTH, HEADS, LENGTH, VOCABULARY, tokens)))
    model = lithify.quantize(model, samples, state=states(LAYERS))
    with_lengths, whole = lithify.compile(model, CHIP, strict=True), lithify.compile(model, CHIP, lengths=())
    return with_lengths, whole


def figures() -> str:
    """The tables."""
    text = "| tokens of a run | position | cycles | cycles with one length |\n|---|---|---|---|\n"
    sizes = "\n| tokens of a run | lengths | constants, bytes | instructions, bytes |\n|---|---|---|---|\n"
    for tokens in (1, 16):
        program, whole = programs(tokens)
        every = whole.simulate().cycles
        for rows in (LENGTH // 8, LENGTH // 4, LENGTH // 2, LENGTH):
            position = rows - tokens
            text += f"| {tokens} | {position} | {program.simulate(position=position).cycles:,} | {every:,} |\n"
        for made, count in ((whole, 1), (program, 4)):
            sizes += f"| {tokens} | {count} | {len(made.constants):,} | {len(made.instructions):,} |\n"
    return text + sizes


def main() -> None:
    """Writes the tables between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n{figures()}{after}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
