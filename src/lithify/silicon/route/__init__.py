"""Placement and routing of a mapped netlist by packages alone: Coriolis lays out, KLayout draws and checks."""
