"""From a plan to steps, one for each compute instruction, and a place in the scratchpad for everything they read."""
