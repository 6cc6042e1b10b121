"""The report of a build: the numbers of `report.json`, which says of each how it was obtained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.report.quantization import Pictures, Quantized, pictures_from_json, quantized_from_json
from lithify.sim.cost import LayerCost

SCHEMA = 1
FILE = "report.json"


@dataclass(frozen=True)
class Accuracy:
    """Shares of samples whose largest output is the label's, from 0 to 1; None where nothing was measured.

    float_model: the given model in ONNX Runtime. int8: the quantised model in ONNX Runtime. chip: the compiled program.
    samples: how many were judged; chip_samples: how many of them by the program.
    """

    float_model: float | None = None
    int8: float | None = None
    chip: float | None = None
    samples: int = 0
    chip_samples: int = 0


@dataclass(frozen=True)
class Verified:
    """What `verify` compared, as the report keeps it; see `lithify.verify.Verification`.

    rtl_inputs: how many of the inputs ran in RTL. cycles_rtl, rtl_sha256: None where RTL was not run.
    not_compared: tensors that exist only inside an instruction, by name. first_difference, first_retirement: sentences,
    None where all agrees.
    """

    rtl: str
    inputs: int
    rtl_inputs: int
    saturating_inputs: int
    values_compared: int
    values_different: int
    words_compared: int
    words_different: int
    retirements_compared: int
    retirements_different: int
    cycles_timing: int
    cycles_rtl: int | None
    rtl_sha256: str | None
    not_compared: tuple[str, ...] = ()
    first_difference: str | None = None
    first_retirement: str | None = None

    @property
    def agreed(self) -> bool:
        """Every value equal, every cycle equal."""
        different = self.values_different + self.words_different + self.retirements_different
        return different == 0 and self.cycles_rtl in (None, self.cycles_timing)


@dataclass(frozen=True)
class Report:
    """Everything a build measured. Counts are of one inference.

    cycles: from the timing simulator; dram_bytes: bytes of the bus beats moved; gates: modelled, in NAND2 equivalents,
    scratchpad apart; onchip_bytes: every memory of the RTL. host_nodes: operators that run on the host, by ONNX name,
    with `host_ms` measured on this machine; host_reasons: why a quantised node is among them, by the node's name.
    quantized: what quantisation cost, None where the model came quantised. pictures: how a picture becomes the input,
    None where no preprocessing was stated.
    """

    model: str
    chip: str
    clock_hz: int
    macs: int
    macs_on_chip: int
    cycles: int
    mac_utilisation: float
    dram_bytes: int
    gates: int
    onchip_bytes: int
    accuracy: Accuracy
    verify: Verified
    host_nodes: tuple[str, ...]
    host_ms: float
    host_reasons: Mapping[str, str]
    layers: tuple[LayerCost, ...]
    obtained: Mapping[str, str]
    lithify: str
    quantized: Quantized | None = None
    pictures: Pictures | None = None

    @property
    def macs_on_chip_share(self) -> float:
        """Share of the multiply-accumulates that the chip does; 1 for a network without any."""
        return self.macs_on_chip / self.macs if self.macs else 1.0

    @property
    def latency_ms(self) -> float:
        """Milliseconds of the chip's cycles at its clock; the host's time is `host_ms`."""
        return self.cycles / self.clock_hz * 1000

    @property
    def agreed(self) -> bool:
        """Whether everything that was compared is equal."""
        return self.verify.agreed

    def to_json(self) -> dict[str, Any]:
        """The contents of report.json."""
        accuracy = asdict(self.accuracy)
        accuracy = {"float": accuracy.pop("float_model"), **accuracy}
        return {
            "schema": SCHEMA,
            "lithify": self.lithify,
            "model": self.model,
            "chip": self.chip,
            "clock_hz": self.clock_hz,
            "macs": self.macs,
            "macs_on_chip": self.macs_on_chip,
            "macs_on_chip_share": self.macs_on_chip_share,
            "cycles": self.cycles,
            "latency_ms": self.latency_ms,
            "mac_utilisation": self.mac_utilisation,
            "dram_bytes": self.dram_bytes,
            "gates": self.gates,
            "onchip_bytes": self.onchip_bytes,
            "accuracy": accuracy,
            "verify": {**asdict(self.verify), "not_compared": list(self.verify.not_compared), "agreed": self.agreed},
            "host_nodes": list(self.host_nodes),
            "host_ms": self.host_ms,
            "host_reasons": dict(self.host_reasons),
            "layers": [asdict(layer) for layer in self.layers],
            "obtained": dict(self.obtained),
            "quantization": self.quantized.to_json() if self.quantized is not None else None,
            "preprocessing": self.pictures.to_json() if self.pictures is not None else None,
        }

    def to_text(self) -> str:
        """The text of report.json."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"


def from_json(table: Mapping[str, Any]) -> Report:
    """The report of a `report.json`; KeyError or TypeError where it is none."""
    accuracy = dict(table["accuracy"])
    accuracy["float_model"] = accuracy.pop("float")
    verify = {key: value for key, value in table["verify"].items() if key != "agreed"}
    plain = ("model", "chip", "clock_hz", "macs", "macs_on_chip", "cycles", "mac_utilisation", "dram_bytes")
    return Report(
        **{
            key: table[key]
            for key in (*plain, "gates", "onchip_bytes", "host_ms", "host_reasons", "obtained", "lithify")
        },
        accuracy=Accuracy(**accuracy),
        verify=Verified(**{**verify, "not_compared": tuple(verify["not_compared"])}),
        host_nodes=tuple(table["host_nodes"]),
        layers=tuple(LayerCost(**layer) for layer in table["layers"]),
        quantized=quantized_from_json(table["quantization"]),
        pictures=pictures_from_json(table["preprocessing"]),
    )


def load_report(folder: Path) -> Report:
    """The report of a build folder, or of its report.json.

    Raises LithifyError where there is none, or one that this version does not read.
    """
    path = folder / FILE if folder.is_dir() else folder
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LithifyError(f"There is no report '{path}'; give the folder of a finished `lithify build`.") from error
    except ValueError as error:
        raise LithifyError(f"'{path}' is no report of Lithify: it is not JSON; build again.") from error
    schema = table.get("schema") if isinstance(table, dict) else None
    if schema != SCHEMA:
        raise LithifyError(
            f"'{path}' is no report of schema {SCHEMA} but of {schema!r}; build again with this version."
        )
    try:
        return from_json(table)
    except (KeyError, TypeError, AttributeError) as error:
        raise LithifyError(f"'{path}' lacks or mistypes a key ({error}); build again.") from error
