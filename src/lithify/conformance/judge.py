"""What became of one test: on the chip, on the host, refused with a sentence, or failed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from lithify import flow
from lithify.conformance.cases import KINDS, Case
from lithify.errors import LithifyError
from lithify.frontend.onnx import load_proto
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    from lithify.chip import Chip
    from lithify.program import Program

Array = NDArray[Any]
Outcome = Literal["chip", "host", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

OPERATORS = frozenset(
    """
    Conv ConvTranspose Gemm MatMul QLinearConv QLinearMatMul Add Sub Mul BatchNormalization
    Relu Clip LeakyRelu PRelu Sigmoid Tanh HardSwish HardSigmoid Swish Elu Selu Celu Gelu Mish Softplus Softsign
    ThresholdedRelu Shrink Abs Neg Exp Log Sqrt Reciprocal Erf Ceil Floor Round Sign
    Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh
    MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin
    Concat Slice Split Pad Transpose Flatten Squeeze Unsqueeze Reshape Expand Tile DepthToSpace SpaceToDepth Resize
    Identity Dropout Constant
    Softmax LogSoftmax LayerNormalization RMSNormalization InstanceNormalization GroupNormalization
    Div Pow ReduceL2 CumSum ArgMax Less LessOrEqual Greater GreaterOrEqual Equal Where
    Gather LSTM GRU RNN TopK NonMaxSuppression
    """.split()
)
"""Operators that the chip is to run."""

FAR = 1 / 16
"""How far, of the range of the expected values, a quantised result may be from them at most: a quantised network is no
other network. The bits are judged by the quantised model itself.
"""

COARSE = "what the float model gives"
"""Where one operator follows the other the test's data may be too much for int8, and yet every bit be right."""

RUNTIME = "As ONNX Runtime reads the operator, which is not as the test does"


@dataclass(frozen=True)
class Verdict:
    """What became of a test.

    quantised: whether the model was float and became int8 with the test's inputs as calibration data. What the chip
        then computes must equal the reference on every bit, ONNX Runtime on the same quantised model but for one step,
        and what the float model makes of the inputs as int8 holds them but for FAR of its range. Otherwise the test's
        own expectations and tolerances count.
    reason: the sentence of a refusal, what differs, or why nodes run on the host.
    """

    name: str
    kind: str
    operators: tuple[str, ...]
    outcome: Outcome
    quantised: bool = False
    reason: str = ""

    @property
    def ours(self) -> bool:
        """Whether all its operators are such that the chip is to run."""
        return OPERATORS.issuperset(self.operators)


@dataclass(frozen=True)
class Conformance:
    """What became of every test, in the order of the suite. kinds: of tests, as the suite names them."""

    onnx_version: str
    chip: str
    kinds: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def count(self, outcome: Outcome, ours: bool = False) -> int:
        """How many tests came out so. ours: only those whose operators the chip is to run."""
        return sum(verdict.outcome == outcome and (verdict.ours or not ours) for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The counts and the tests as JSON values."""
        return {
            "onnx": self.onnx_version,
            "chip": self.chip,
            "counts": {outcome: self.count(outcome) for outcome in OUTCOMES},
            "operators": {outcome: self.count(outcome, ours=True) for outcome in OUTCOMES},
            "tests": [asdict(verdict) for verdict in self.verdicts],
        }


def judge_all(tests: Iterable[Case], chip: "Chip", progress: Progress | None = None) -> Conformance:
    """Judges one test after the other."""
    verdicts = []
    with Stages(progress or Silent(), 1)(f"ONNX's tests on {chip.name}") as watch:
        for case in tests:
            verdicts.append(judge(case, chip))
            watch.update(len(verdicts), 0, "tests")
    return Conformance(onnx.__version__, chip.name, KINDS, tuple(verdicts))


def judge(case: Case, chip: "Chip") -> Verdict:
    """Takes one test through the line and compares."""

    def verdict(outcome: Outcome, reason: str = "", quantised: bool = False) -> Verdict:
        return Verdict(case.name, case.kind, case.operators, outcome, quantised, " ".join(reason.split()))

    try:
        model = flow.optimize(load_proto(case.model))
        _check_data(case)
        made = flow.quantize(model, [given for given, _ in case.data] if case.data[0][0] else None)
        program = flow.compile(made, chip)
        outputs = [program.run(*given.values()) for given, _ in case.data]
    except LithifyError as error:
        return verdict("refused", str(error))
    except Exception as error:
        return verdict("failed", f"{type(error).__name__}: {error}")
    quantised = _became_int8(model, made)
    for (given, expected), found in zip(case.data, outputs, strict=True):
        differs = _differs(program, given, found)
        if differs:
            return verdict("failed", differs, quantised)
        wrong = _wrong(case, program, made, quantised, given, expected, found)
        if wrong and _of_onnx_runtime(case, program, made, given, found):
            return verdict("chip" if _strict(program) else "host", RUNTIME, quantised)
        if wrong and not (quantised and wrong.endswith(COARSE) and len(case.operators) > 1):
            return verdict("failed", wrong, quantised)
    if _strict(program):
        return verdict("chip", quantised=quantised)
    names = ", ".join(dict.fromkeys(program.host_nodes))
    reasons = "; ".join(f"{node}: {reason}" for node, reason in program.reasons.items())
    return verdict("host", reasons or f"{names} has no int8 form here", quantised)


def _check_data(case: Case) -> None:
    for given, expected in case.data:
        for value in (*given.values(), *expected):
            if not isinstance(value, np.ndarray):
                raise LithifyError("It takes or gives a sequence or an optional value; Lithify takes tensors only.")


def _became_int8(model: ir.Model, made: ir.Model) -> bool:
    def pairs(graph: ir.Model) -> int:
        return sum(node.op_type == "QuantizeLinear" for node in graph.graph)

    return pairs(made) > pairs(model)


def _strict(program: "Program") -> bool:
    try:
        flow.refuse_host(program)
    except LithifyError:
        return False
    return True


def _differs(program: "Program", given: dict[str, Array], found: Sequence[Array]) -> str:
    """Which output has not the bits of the reference, in words."""
    from lithify.reference.evaluate import run

    assert program.graph is not None
    exact = run(program.graph, given)
    for name, array in zip(program.outputs, found, strict=True):
        if not np.array_equal(exact[name], array, equal_nan=array.dtype.kind == "f"):
            return f"'{name}' differs from the reference"
    return ""


def _wrong(
    case: Case,
    program: "Program",
    made: ir.Model,
    quantised: bool,
    given: dict[str, Array],
    expected: Sequence[Array],
    found: Sequence[Array],
) -> str:
    """What is not as the test expects it, in words; nothing where all is."""
    if [array.shape for array in found] != [array.shape for array in expected]:
        shapes = [list(array.shape) for array in found], [list(array.shape) for array in expected]
        return f"the shapes are {shapes[0]}, expected {shapes[1]}"
    if not quantised:
        return _beyond(expected, found, case)
    runtime = _onnx_runtime(ir.serde.serialize_model(made), given)
    evaluator = ReferenceEvaluator(case.model)
    real = expected
    if not _beyond(expected, _arrays(evaluator.run(None, given)), case):
        real = _arrays(evaluator.run(None, _int8_inputs(made, given)))
    steps = _steps(made)
    for name, array, judged, wanted in zip(program.outputs, found, runtime, real, strict=True):
        off = _distance(array, judged)
        if name in steps and off > steps[name] * 1.01:
            return f"'{name}' is {off / steps[name]:.1f} steps from ONNX Runtime on the quantised model"
        if not _near(array, wanted):
            return f"'{name}' is {_distance(array, wanted):g} from {COARSE}"
    return ""


def _arrays(values: Any) -> list[Array]:
    return [np.asarray(value) for value in values]


def _of_onnx_runtime(
    case: Case, program: "Program", made: ir.Model, given: dict[str, Array], found: Sequence[Array]
) -> bool:
    """Whether ONNX Runtime, by which Lithify defines operators, makes the same of the model as it came."""
    try:
        own = _onnx_runtime(case.model, _int8_inputs(made, given))
    except Exception:  # it refuses some models as they came
        return False
    if [array.shape for array in own] != [array.shape for array in found]:
        return False
    if program.layers:
        return all(_near(array, wanted) for array, wanted in zip(found, own, strict=True))
    return not _beyond(own, found, case)


def _near(array: Array, wanted: Array) -> bool:
    span = float(np.ptp(np.append(wanted, 0))) if wanted.size else 0.0
    return _distance(array, wanted) <= FAR * span


def _int8_inputs(made: ir.Model, given: dict[str, Array]) -> dict[str, Array]:
    """The inputs as int8 holds them, where they are quantised."""
    return {str(value.name): _rounded(value, given[str(value.name)]) for value in made.graph.inputs}


def _rounded(value: ir.Value, data: Array) -> Array:
    """What an input is as int8, where all that reads it quantises it alike."""
    from lithify.quantize import qdq

    readers = [node for node, _ in value.uses()]
    found = [qdq.parameters(node) if node.op_type == "QuantizeLinear" else None for node in readers]
    own = found[0] if found else None
    if own is None or any(entry is None or not entry.same(own) for entry in found):
        return data
    steps = np.clip(np.rint(data / own.scale) + int(own.zero_point), -128, 127) - int(own.zero_point)
    return np.asarray(steps * own.scale, np.float32)


def _beyond(expected: Sequence[Array], found: Sequence[Array], case: Case) -> str:
    for index, (wanted, array) in enumerate(zip(expected, found, strict=True)):
        if wanted.dtype != array.dtype:
            return f"output {index} is {array.dtype}, expected {wanted.dtype}"
        if not np.allclose(array, wanted, case.rtol, case.atol, equal_nan=True):
            return f"output {index} is beyond the test's tolerances"
    return ""


def _distance(a: Array, b: Array) -> float:
    return float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))


def _steps(made: ir.Model) -> dict[str, float]:
    """The step of every float output that is made by a DequantizeLinear."""
    from lithify.quantize import qdq

    found = {}
    for value in made.graph.outputs:
        maker = value.producer()
        own = qdq.parameters(maker) if maker is not None and maker.op_type == "DequantizeLinear" else None
        if own is not None:
            found[str(value.name)] = float(np.max(own.scale))
    return found


def _onnx_runtime(model: onnx.ModelProto, given: dict[str, Array]) -> list[Array]:
    """The outputs of a model as it is written: nothing fused, so that Q and DQ mean what ONNX says."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run([value.name for value in model.graph.output], given))
