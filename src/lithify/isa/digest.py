"""Digests of a program file's sections: of blocks, so that cores share the work while the file is still being read."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

BLOCK = 2**20
"""Bytes of a block, the last of a section excepted."""

THREADS = max(8, os.cpu_count() or 1)
"""Also on fewer cores: a thread that waits for the disk takes none."""


def digest(data: bytes | memoryview) -> str:
    """SHA-256 over the SHA-256s of all blocks of 1 MiB, in hexadecimal."""
    view = memoryview(data)
    blocks = [view[start : start + BLOCK] for start in range(0, len(view), BLOCK)]
    if len(blocks) < 2:
        leaves = list(map(_of_block, blocks))
    else:
        # hashlib gives other threads their turn while it works on a block, and while it waits for a page of the file.
        with ThreadPoolExecutor(min(THREADS, len(blocks))) as threads:
            leaves = list(threads.map(_of_block, blocks))
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def _of_block(block: memoryview) -> bytes:
    return hashlib.sha256(block).digest()
