"""Placement and routing of modules: what is drawn is the netlist, and the checks see what is not."""

import importlib.util
import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.errors import LithifyError
from lithify.silicon.clock import sta_program
from lithify.silicon.kit import Kit, load_kit
from lithify.silicon.netlist import read_netlist
from lithify.silicon.route import run as routing
from lithify.silicon.route.access import stubs
from lithify.silicon.route.check import connections, metal_rules
from lithify.silicon.route.design import Cell, Design, flat_design
from lithify.silicon.route.drawing import draw
from lithify.silicon.route.flow import die_size, place_and_route, ports
from lithify.silicon.route.lef import read_outlines
from lithify.silicon.route.parasitics import net_wires, spef
from lithify.silicon.route.physical import Access, Physical, accesses
from lithify.silicon.route.repair import repair
from lithify.silicon.route.space import Space
from lithify.silicon.route.stack import Stack, kit_stack
from lithify.silicon.synthesis import synthesize

needs_klayout = pytest.mark.skipif(importlib.util.find_spec("klayout") is None, reason="klayout is not installed")
needs_coriolis = pytest.mark.skipif(importlib.util.find_spec("coriolis") is None, reason="coriolis is not installed")

PRODUCT = """module product(input wire clk, input wire [5:0] a, input wire [5:0] b, output reg [11:0] sum);
  reg [5:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; sum <= sum + x * y; end
endmodule
"""


@pytest.fixture(scope="module")
def kit() -> Kit:
    return load_kit(KIT)


@pytest.fixture(scope="module")
def stack(kit: Kit) -> Stack:
    assert kit.layout is not None and kit.layout.route is not None
    return kit_stack(kit, kit.layout.route)


@pytest.fixture(scope="module")
def product(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Design:
    mapped = synthesize({"product.v": PRODUCT}, "product", tmp_path_factory.mktemp("product"), kit=kit)
    return flat_design(
        "product", read_netlist(mapped.netlist.read_text(encoding="utf-8"), "product", lambda kind: True)
    )


@needs_kit
def test_layers_are_those_of_the_kit(stack: Stack) -> None:
    metal = stack.layers["Metal3"]
    assert (metal.width, metal.spacing, metal.pitch, metal.area) == (200, 210, 420, 144_000)
    assert metal.resistance == 0.103 and stack.layers["Via2"].resistance == 20.0
    # 1 um of the least width: 0.2 um2 of 12 aF, and two edges of 44.8 aF.
    assert metal.wire_capacitance(1000, 200) == pytest.approx(0.2 * 12.0e-18 + 2 * 44.8e-18)
    assert [stack.horizontal(name) for name in stack.metals] == [False, False, True, False, True]


@needs_kit
@needs_klayout
def test_every_pin_of_the_kit_has_a_stub(kit: Kit, stack: Stack) -> None:
    outlines = read_outlines(kit.folder / stack.names.outlines)
    cells = [cell for cell in outlines.values() if any(not pin.supply for pin in cell.pins.values())]
    assert len(cells) > 70
    for cell in cells:
        found = stubs(cell, stack)
        assert set(found) == {pin.name for pin in cell.pins.values() if not pin.supply}
        for stub in found.values():
            assert stub.x % stack.site == 0 and 0 < stub.x < cell.width
            assert 0 < stub.bottom < stub.top < cell.height and stub.bottom <= stub.via_y <= stub.top
        for one, other in itertools.combinations(found.values(), 2):
            # Two pins on a track leave each other room.
            if one.x == other.x:
                low, high = sorted((one, other), key=lambda stub: stub.via_y)
                assert high.bottom - low.top >= stack.spacing + 2 * stack.pad_half[0] - 20


@needs_kit
def test_the_ports_of_a_die_have_room(kit: Kit, stack: Stack) -> None:
    """Many ports make a die taller than its cells need."""
    outlines = read_outlines(kit.folder / stack.names.outlines)
    cells = {f"c{number}": Cell(f"c{number}", "", "sg13g2_inv_1", {}) for number in range(100)}
    for inputs, square in ((5, True), (700, False)):
        nets = {**{f"i{number}": False for number in range(inputs)}, "o": True}
        design = Design("many", cells, tuple(nets), nets)
        die = die_size(design, outlines, stack, 0.5)
        assert die[0] % stack.site == 0 and die[1] % stack.row == 0
        assert (die[1] < 1.3 * die[0]) == square
        assert die[0] * die[1] >= 2 * 100 * outlines["sg13g2_inv_1"].width * stack.row
        left = sorted(y for _, _, side, y in ports(design, die, stack) if side == "W")
        assert len(left) == inputs and 0 < left[0] and left[-1] < die[1]
        assert all(after - before >= 2 * 420 for before, after in itertools.pairwise(left))


def test_shapes_near_a_place_are_those_within_the_distance() -> None:
    chance = random.Random(3)
    space, shapes = Space(), []
    for number in range(400):
        x, y = chance.randrange(60_000), chance.randrange(60_000)
        box = (x, y, x + chance.randrange(1, 9_000), y + chance.randrange(1, 400))
        shapes.append((box, f"n{number % 40}"))
        space.add("metal", box, f"n{number % 40}", number % 3 == 0)
    space.remove("n7")
    kept = [entry for number, entry in enumerate(shapes) if entry[1] != "n7" or number % 3 == 0]
    for _ in range(200):
        x, y = chance.randrange(60_000), chance.randrange(60_000)
        box = (x, y, x + 200, y + 3_000)
        expected = set()
        for other, net in kept:
            across = max(other[0] - box[2], box[0] - other[2], 0)
            along = max(other[1] - box[3], box[1] - other[3], 0)
            if net != "n1" and across**2 + along**2 < 210**2 and across < 210 and along < 210:
                expected.add((other, net))
        assert {(found[0], found[1]) for found in space.near("metal", box, 210, "n1")} == expected


@needs_kit
def test_wires_weigh_what_the_kit_says(stack: Stack) -> None:
    """Two pins, 10 um apart on one track: by hand."""
    design = Design("two", {}, ("n",), {})
    pins = [Access(("a", "Y"), 480, (480, 4200), 3000, 5000), Access(("b", "A"), 10_560, (10_560, 4200), 3000, 5000)]
    wire = ("Metal3", (380, 4100, 10_660, 4300))
    vias = [("Metal2", 480, 4200), ("Metal2", 10_560, 4200)]
    physical = Physical(design, (20_160, 7_560), {}, {"n": [wire]}, {"n": vias}, {})
    found = net_wires(physical, "n", pins, stack)
    assert not found.unreached and len(found.edges) == len(found.load) - 1
    # The stubs are as long as the least piece of metal, 720 nm.
    stub = stack.layers["Metal2"].wire_capacitance(720, 200)
    assert found.length == 10_280 + 2 * 720
    assert found.capacitance == pytest.approx(stack.layers["Metal3"].wire_capacitance(10_280, 200) + 2 * stub)
    # Four vias of 20 ohms, and 10.08 um of 0.103 ohms a square.
    assert sum(ohms for _, _, ohms in found.edges) == pytest.approx(4 * 20.0 + 0.103 * 10_080 / 200)
    cut = net_wires(replace(physical, vias={"n": vias[:1]}), "n", pins, stack)
    assert cut.unreached == (("b", "A"),)


@pytest.mark.slow
@needs_kit
@needs_klayout
@needs_coriolis
def test_what_is_drawn_is_the_netlist(kit: Kit, stack: Stack, product: Design, tmp_path: Path) -> None:
    outlines = read_outlines(kit.folder / stack.names.outlines)
    kinds = {cell.kind for cell in product.cells.values()} | set(stack.names.fillers)
    reach = {kind: stubs(outlines[kind], stack) for kind in kinds}
    raw = place_and_route(product, outlines, reach, stack, tmp_path, filled=0.5)
    reached = accesses(raw, reach, outlines)
    found = repair(raw, reached, stack)
    assert not found.left
    physical = found.physical
    layout = draw(physical, reached, stack, [kit.folder / stack.names.cells])
    joined = connections(layout, reached, physical.ports, stack)
    assert joined.whole == len(product.nets) and not joined.broken and not joined.shorted
    assert not {rule: count for rule, count in metal_rules(layout, stack).items() if count}
    # The checks see a via that is missing, and a wire that touches another net.
    net = max(product.nets, key=lambda name: len(physical.vias[name]))
    cut = replace(physical, vias={**physical.vias, net: physical.vias[net][1:]})
    broken = connections(draw(cut, reached, stack, [kit.folder / stack.names.cells]), reached, cut.ports, stack)
    assert broken.broken == (net,)
    layer, (left, bottom, right, top) = next(wire for wire in physical.wires[net] if wire[0] == "Metal3")
    across = (layer, (left, bottom - 3_000, right, top + 3_000))
    wide = replace(physical, wires={**physical.wires, net: [*physical.wires[net], across]})
    drawn = draw(wide, reached, stack, [kit.folder / stack.names.cells])
    assert any(net in names for names in connections(drawn, reached, wide.ports, stack).shorted)
    # And what the wires weigh reaches every pin.
    wires = {name: net_wires(physical, name, reached[name], stack) for name in product.nets}
    assert not any(entry.unreached for entry in wires.values())
    assert spef("product", wires, outlines, physical).count("*D_NET") == len(product.nets)
    # A net without its wires is led again.
    bare = replace(physical, wires={**physical.wires, net: []}, vias={**physical.vias, net: []})
    again = repair(bare, reached, stack)
    assert again.again >= 1 and not again.left
    drawn = draw(again.physical, reached, stack, [kit.folder / stack.names.cells])
    joined = connections(drawn, reached, physical.ports, stack)
    assert not joined.broken and not joined.shorted


@pytest.mark.slow
@needs_kit
@needs_klayout
@needs_coriolis
def test_a_routed_design_is_written_and_read(kit: Kit, product: Design, tmp_path: Path) -> None:
    found = routing.route_design(product, kit, tmp_path / routing.FOLDER / "product")
    assert found.whole and found.cells == len(product.cells) and 0.4 < found.filled <= 0.5
    if sta_program() is not None:
        assert found.bare_ns is not None and found.wired_ns is not None and found.wired_ns > found.bare_ns
    assert routing.read_routed(tmp_path) == (found,)
    files = {path.name for path in (tmp_path / routing.FOLDER / "product").iterdir()}
    assert {"product.gds", "product.png", "netlist.v", "wires.spef", routing.RESULT} <= files


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LithifyError) as error:
        routing.need_coriolis()
    assert str(error.value) == "Placing and routing needs Coriolis: pip install 'lithify[layout]'."
    with pytest.raises(LithifyError) as error:
        routing.need_klayout()
    assert str(error.value) == "Drawing a layout needs KLayout: pip install 'lithify[layout]'."


def test_a_result_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / routing.FOLDER / "m" / routing.RESULT
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"schema": 9}), encoding="utf-8")
    with pytest.raises(LithifyError, match="is none that `lithify layout` wrote; route the module again"):
        routing.read_routed(tmp_path)
