"""Writes the models of this folder: small networks quantised and exported by other people's tools.

    pip install torch torchao brevitas onnxoptimizer
    python tests/quantize/exports/make.py

torchao.onnx: post-training quantisation (PT2E, X86InductorQuantizer), torch.onnx. brevitas.onnx: quantisation-aware
layers (uint8 after a ReLU, else int8, weights per channel, int32 bias), QCDQ export.
"""

from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

HERE = Path(__file__).parent
INPUT = (1, 1, 12, 12)


class Residual(nn.Module):
    """A strided, a depthwise and a 1x1 convolution, a shortcut, pooling and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 8, 1)
        self.dense = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = x + self.point(torch.relu(self.depthwise(x)))
        return self.dense(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def torchao() -> None:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    example = (torch.randn(INPUT),)
    quantizer = X86InductorQuantizer()
    quantizer.set_global(get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(Residual().eval(), example).module(), quantizer)
    for _ in range(8):
        prepared(torch.randn(INPUT))
    exported = torch.export.export(convert_pt2e(prepared), example)
    program = torch.onnx.export(exported, example, dynamo=True, opset_version=20, input_names=["input"], verbose=False)
    assert program is not None
    program.save(HERE / "torchao.onnx", external_data=False)


def brevitas() -> None:
    import brevitas.nn as qnn
    from brevitas.export import export_onnx_qcdq
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Int32Bias, Uint8ActPerTensorFloat

    layer = {"weight_quant": Int8WeightPerChannelFloat, "bias_quant": Int32Bias, "return_quant_tensor": True}
    positive = {"act_quant": Uint8ActPerTensorFloat, "return_quant_tensor": True}
    signed = {"act_quant": Int8ActPerTensorFloat, "return_quant_tensor": True}
    network = nn.Sequential(
        qnn.QuantIdentity(**signed),
        qnn.QuantConv2d(1, 8, 3, stride=2, padding=1, **layer),
        qnn.QuantReLU(**positive),
        qnn.QuantConv2d(8, 8, 3, padding=1, groups=8, **layer),
        qnn.QuantReLU(**positive),
        qnn.QuantConv2d(8, 8, 1, **layer),
        qnn.QuantIdentity(**signed),
        nn.Flatten(),
        qnn.QuantLinear(288, 5, bias=True, **layer),
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat),
    )
    for _ in range(8):
        network(torch.randn(4, *INPUT[1:]))
    export_onnx_qcdq(
        network.eval(), torch.randn(INPUT), export_path=str(HERE / "brevitas.onnx"), opset_version=18,
        input_names=["input"], dynamo=False,
    )  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    for export in (torchao, brevitas):
        torch.manual_seed(1)
        export()
        path = HERE / f"{export.__name__}.onnx"
        model = ir.load(path)
        ClearMetadataAndDocStringPass()(model)  # the exporters note the author's source lines and folders
        model.metadata_props.clear()
        ir.save(model, path)


if __name__ == "__main__":
    main()
