"""`python -m lithify`: the same as `lithify`, where the program is not on PATH."""

from lithify.cli import main

main()
