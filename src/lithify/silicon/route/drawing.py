"""The layout as GDS, with the kit's own cells in it, by KLayout."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lithify.errors import LithifyError
from lithify.silicon.route.physical import Access, Physical, net_shapes
from lithify.silicon.route.stack import Stack

if TYPE_CHECKING:
    import klayout.db as kdb

LABELS = 25
"""GDS data type of names."""


def need_klayout() -> None:
    """LithifyError where the wheel is not installed."""
    if importlib.util.find_spec("klayout") is None:
        raise LithifyError("Drawing a layout needs KLayout: pip install 'lithify[layout]'.")


def draw(
    physical: Physical, reached: Mapping[str, Sequence[Access]], stack: Stack, cells: Iterable[Path]
) -> "kdb.Layout":
    """The layout, flat but for its cells. cells: GDS files with the contents of the cells.

    Errors: LithifyError where a file is missing, or none of them has a cell that is placed.
    """
    need_klayout()
    import klayout.db as kdb

    layout = kdb.Layout()
    for path in cells:
        if not path.is_file():
            raise LithifyError(f"The kit has no file '{path}': a layout is drawn with the contents of its cells.")
        layout.read(str(path))
    layout.dbu = 0.001
    known = {cell.name: cell.cell_index() for cell in layout.each_cell()}
    missing = sorted({place.kind for place in physical.places.values()} - set(known))
    if missing:
        raise LithifyError(f"The kit's GDS has no cell '{missing[0]}', which is placed.")
    top = layout.create_cell(physical.design.name)
    for place in physical.places.values():
        turned = kdb.Trans(kdb.Trans.M0 if place.flipped else kdb.Trans.R0, place.x, place.y)
        top.insert(kdb.CellInstArray(known[place.kind], turned))
    numbers = {name: layout.layer(number, 0) for name, number in stack.names.gds.items()}
    labels = {name: layout.layer(number, LABELS) for name, number in stack.names.gds.items()}
    for net in physical.design.nets:
        for layer, box in net_shapes(physical, net, reached[net], stack):
            top.shapes(numbers[layer]).insert(kdb.Box(*box))
    for net, (layer, box) in physical.ports.items():
        if not reached[net]:
            continue
        middle = kdb.Trans((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
        top.shapes(labels[layer]).insert(kdb.Text(net, middle))
    _keep_only(layout, top)
    return layout


def _keep_only(layout: "kdb.Layout", top: "kdb.Cell") -> None:
    """Drop cells that are not placed."""
    used = {top.cell_index(), *top.called_cells()}
    for cell in [cell.cell_index() for cell in layout.each_cell()]:
        if cell not in used:
            layout.delete_cell(cell)


def write_gds(layout: "kdb.Layout", path: Path) -> None:
    """Write a GDS file, without the time of writing in it."""
    import klayout.db as kdb

    options = kdb.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    layout.write(str(path), options)


def write_picture(gds: Path, path: Path, pixels: int = 1200) -> None:
    """A picture of a GDS file, PNG, as KLayout draws its layers."""
    import klayout.lay as klay

    view = klay.LayoutView()
    view.load_layout(str(gds), True)
    view.max_hier()
    view.zoom_fit()
    view.save_image(str(path), pixels, pixels)
