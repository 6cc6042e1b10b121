"""What a profile says of a layer and of a whole network, sentence by sentence."""

from dataclasses import replace
from pathlib import Path

from lithify.chip import load_chip
from lithify.profile import Profile
from lithify.profile.explain import headline, why
from lithify.profile.inference import WAITED
from lithify.profile.what_if import changes
from lithify.sim.cost import ARRAY, POST, SPENT, TRANSFERS, LayerCost

CHIP = load_chip("tiny")
NOTHING = dict.fromkeys(WAITED, 0)


def cost(macs: int = 64_000, **spent: int) -> LayerCost:
    """A layer of 1,000 cycles; what is not said goes to the array."""
    names = {"transfers": TRANSFERS, "post": POST}
    parts = dict.fromkeys(SPENT, 0) | {names[name]: cycles for name, cycles in spent.items()}
    parts[ARRAY] = 1000 - sum(parts.values())
    limit = max(SPENT, key=lambda name: parts[name])
    return LayerCost("layer", "Conv", macs, 1000, macs / 64_000, 0, parts, limit)


def test_near_the_limit_is_said_only_of_layers_that_are() -> None:
    assert why(cost(), NOTHING, 1.0, CHIP, {}) == (
        "In 100 % of its 1,000 cycles words go to the multipliers. "
        "In those, 100 % of the 64 multipliers do useful work: it runs near its limit."
    )
    assert why(cost(transfers=300), NOTHING | {"weights": 300}, 0.97, CHIP, {}) == (
        "In 70 % of its 1,000 cycles words go to the multipliers. In those, 97 % of the 64 multipliers do useful work; "
        "of the others most are lost because it waits for weights to arrive from DRAM."
    )
    assert why(cost(post=300), NOTHING, 0.97, CHIP, {}).endswith(
        "of the others most are lost because the array waits for post-processing to free accumulators."
    )
    assert why(cost(), NOTHING, 0.5, CHIP, {}).endswith(
        "But only 50 % of the 64 multipliers do useful work then: channels or windows do not fill the 8 rows and 8 "
        "columns of the array, or padding is multiplied."
    )


def test_what_is_waited_for_is_said_with_what_would_hide_it() -> None:
    said = {name: why(cost(transfers=600), NOTHING | {name: 600}, 1.0, CHIP, {}) for name in WAITED}
    assert said["input"].endswith(
        "Mostly it waits for its input to arrive from DRAM (600 cycles). Nothing runs before the first layer that "
        "could hide that: only more bandwidth or a smaller input would."
    )
    assert "a scratchpad that keeps the tensor on the chip" in said["activations"]
    assert len(set(said.values())) == len(WAITED)
    assert why(cost(), NOTHING, 1.0, CHIP, {"twice the bandwidth": 700}).endswith(
        "Of what was tried, twice the bandwidth helps it most: 700 cycles, 30 % fewer."
    )


def test_the_headline_names_what_loses_most_and_what_the_host_runs(profile: Profile) -> None:
    worst = max(profile.layers, key=lambda layer: layer.lost)
    assert worst.lost == round(worst.cost.cycles - worst.cost.macs / profile.simulation.chip.multipliers)
    assert worst.cost.name in headline(profile)
    assert "The host runs Softmax; its time is no part of the cycles." in headline(
        replace(profile, host_nodes=("Softmax", "Softmax"))
    )
    assert "host" not in headline(replace(profile, host_nodes=()))


def test_the_page_on_profiles_names_what_profiles_name() -> None:
    """Every kind of cycle in a row of its own, in order, and every change that is tried."""
    text = (Path(__file__).parents[2] / "docs" / "profile.md").read_text(encoding="utf-8")
    table = text.partition("| name | the array | what helps |\n")[2].partition("\n\n")[0]
    assert [row.split("|")[1].strip() for row in table.splitlines()[1:]] == list(SPENT)
    for change in changes(load_chip("tiny")):
        assert change.name.lower() in text.lower()
