"""From a chip to the bitstream of an FPGA board, by tools that are wheels."""

from lithify.silicon.fpga.bitstream import Bitstream, make_bitstream
from lithify.silicon.fpga.boards import BOARDS, Board, board_named

__all__ = ["BOARDS", "Bitstream", "Board", "board_named", "make_bitstream"]
