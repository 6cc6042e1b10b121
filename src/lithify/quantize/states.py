"""States: inputs that are, in each run, what an output was in the run before. Both get one scale."""

import json
from collections.abc import Mapping

import onnx_ir as ir

from lithify.errors import LithifyError
from lithify.frontend.onnx import STATES
from lithify.optimize.recurrent import ROLE, role_of


def with_states(model: ir.Model, states: Mapping[str, str]) -> ir.Model:
    """The model with its states noted, input -> output. Raises LithifyError for names that it does not have."""
    if not states:
        return model
    model = model.clone()
    inputs = {str(value.name): value for value in model.graph.inputs}
    outputs = {str(value.name): value for value in model.graph.outputs}
    for name, output in states.items():
        for what, wanted, known in (("input", name, inputs), ("output", output, outputs)):
            if wanted not in known:
                raise LithifyError(
                    f"The state '{name}' -> '{output}' needs an {what} '{wanted}', and the network has: "
                    f"{', '.join(known)}."
                )
        first, last = inputs[name], outputs[output]
        role = role_of(first) or role_of(last) or f"{STATES}.{name}"
        others = {role_of(value) for value in (first, last)} - {None, role}
        for value in (first, last):
            value.metadata_props[ROLE] = role
        for node in model.graph:
            for value in node.outputs:
                if role_of(value) in others:
                    value.metadata_props[ROLE] = role
    model.metadata_props[STATES] = json.dumps(dict(states))
    return model


def states_of(model: ir.Model) -> dict[str, str]:
    """The states that the model was quantised with."""
    text = model.metadata_props.get(STATES, "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(entry, str) for pair in found.items() for entry in pair):
        raise LithifyError(f"The model's property '{STATES}' holds {text!r}, which are no states; quantise it again.")
    return found
