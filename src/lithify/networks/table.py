"""The standard networks: what each is, where it comes from, and what its authors say that it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import onnx_ir as ir

from lithify.networks import inverted, resnet
from lithify.networks.autoencoder import autoencoder
from lithify.networks.builder import Builder
from lithify.networks.densenet import densenet121
from lithify.networks.espcn import espcn
from lithify.networks.googlenet import googlenet
from lithify.networks.mobilenet_v1 import ds_cnn, mobilenet_v1
from lithify.networks.shufflenet import shufflenet_v2
from lithify.networks.squeezenet import squeezenet
from lithify.networks.tcn import tcn
from lithify.networks.transformer import bert, vision_transformer
from lithify.networks.unet import unet
from lithify.networks.yolo import yolov8n


@dataclass(frozen=True)
class Network:
    """A network that `build` can write.

    input_shape: batch first, channels second.
    source: the paper that describes it.
    layers: writes all layers behind the builder's input and gives the outputs.
    macs: multiply-accumulates of one inference, as `counted` states them; `macs_within` is the share by which that
        figure may differ from the graph's (it is rounded, or counts biases too).
    parameters: trained values, batch statistics not among them; `parameters_within` likewise.
    counted: where both figures come from.
    """

    name: str
    input_shape: tuple[int, ...]
    source: str
    layers: Callable[[Builder], list[ir.Value]]
    macs: int
    parameters: int
    counted: str
    macs_within: float = 0.0
    parameters_within: float = 0.0


_TORCHVISION = "torchvision model weights, num_params and GFLOPS (multiply-accumulates, three decimals)"
_MLPERF = "layer by layer from the Keras model of mlcommons/tiny"
_HE = "He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385"
_V1 = "Howard et al., MobileNets, arXiv 1704.04861"
_V3 = "Howard et al., Searching for MobileNetV3, arXiv 1905.02244"
_TINY = "Banbury et al., MLPerf Tiny Benchmark, arXiv 2106.07597"
_YOLO = "Ultralytics YOLOv8, 2023, docs.ultralytics.com/models/yolov8"
_YOLO_COUNT = "Ultralytics, yolov8.yaml: gradients; model table: 8.7 GFLOP at 640 x 640"
_BERT_COUNT = "layer by layer from the paper's section 3; the embeddings' normalisation counted, their tables not"
_IMAGE = (1, 3, 224, 224)

_ROWS = (
    Network("resnet8", (1, 3, 32, 32), _TINY, resnet.resnet8, 12_501_632, 78_186, _MLPERF),
    Network("ds_cnn", (1, 1, 49, 10), _TINY, ds_cnn, 2_656_768, 23_756, _MLPERF),
    Network(
        "mobilenet_v1_025",
        (1, 3, 96, 96),
        _TINY,
        partial(mobilenet_v1, width=8, classes=2, activation=Builder.relu, bias=True),
        7_489_664,
        216_322,
        _MLPERF,
    ),
    Network("autoencoder", (1, 640), _TINY, autoencoder, 264_192, 267_928, _MLPERF),
    Network(
        "tcn",
        (1, 1, 784),
        "Bai et al., An Empirical Evaluation of Generic Convolutional and Recurrent Networks, arXiv 1803.01271",
        tcn,
        51_607_050,
        70_000,
        "parameters: table 1 of the paper, rounded; multiply-accumulates: layer by layer from its table 2",
        parameters_within=0.06,
    ),
    Network(
        "espcn",
        (1, 1, 80, 80),
        "Shi et al., Real-Time Single Image and Video Super-Resolution, arXiv 1609.05158",
        partial(espcn, factor=3),
        144_793_600,
        22_729,
        "layer by layer from section 3.2 of the paper, at 3 times",
    ),
    Network(
        "resnet18",
        _IMAGE,
        _HE,
        partial(resnet.resnet, block=resnet.basic, repeats=(2, 2, 2, 2)),
        1_814_000_000,
        11_689_512,
        _TORCHVISION,
        macs_within=0.001,
    ),
    Network(
        "resnet50",
        _IMAGE,
        f"{_HE}; version 1.5",
        partial(resnet.resnet, block=resnet.bottleneck, repeats=(3, 4, 6, 3)),
        4_089_000_000,
        25_557_032,
        _TORCHVISION,
        macs_within=0.001,
    ),
    Network(
        "mobilenet_v1",
        _IMAGE,
        _V1,
        partial(mobilenet_v1, width=32, classes=1000, activation=Builder.relu6, bias=False),
        569_000_000,
        4_231_976,
        "multiply-accumulates: table 8 of the paper; parameters: trainable ones of keras.applications.MobileNet",
        macs_within=0.001,
    ),
    Network(
        "mobilenet_v2",
        _IMAGE,
        "Sandler et al., MobileNetV2, arXiv 1801.04381",
        inverted.mobilenet_v2,
        301_000_000,
        3_504_872,
        _TORCHVISION,
        macs_within=0.002,
    ),
    Network(
        "mobilenet_v3_small",
        _IMAGE,
        _V3,
        partial(inverted.mobilenet_v3, blocks=inverted.V3_SMALL, features=1024),
        57_000_000,
        2_542_856,
        _TORCHVISION,
        macs_within=0.01,
    ),
    Network(
        "mobilenet_v3_large",
        _IMAGE,
        _V3,
        partial(inverted.mobilenet_v3, blocks=inverted.V3_LARGE, features=1280),
        217_000_000,
        5_483_032,
        _TORCHVISION,
        macs_within=0.003,
    ),
    Network(
        "efficientnet_b0",
        _IMAGE,
        "Tan and Le, EfficientNet, arXiv 1905.11946",
        inverted.efficientnet_b0,
        386_000_000,
        5_288_548,
        _TORCHVISION,
        macs_within=0.002,
    ),
    Network(
        "squeezenet",
        _IMAGE,
        "Iandola et al., SqueezeNet, arXiv 1602.07360; version 1.1",
        squeezenet,
        349_000_000,
        1_235_496,
        _TORCHVISION,
        macs_within=0.002,
    ),
    Network(
        "densenet121",
        _IMAGE,
        "Huang et al., Densely Connected Convolutional Networks, arXiv 1608.06993",
        densenet121,
        2_834_000_000,
        7_978_856,
        _TORCHVISION,
        macs_within=0.001,
    ),
    Network(
        "googlenet",
        _IMAGE,
        "Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842; with batch normalisation",
        googlenet,
        1_498_000_000,
        6_624_904,
        _TORCHVISION,
        macs_within=0.001,
    ),
    Network(
        "shufflenet_v2",
        _IMAGE,
        "Ma et al., ShuffleNet V2, arXiv 1807.11164",
        shufflenet_v2,
        145_000_000,
        2_278_604,
        _TORCHVISION,
        macs_within=0.004,
    ),
    Network(
        "unet",
        (1, 3, 256, 256),
        "Ronneberger et al., U-Net, arXiv 1505.04597; half as wide",
        unet,
        12_071_206_912,
        7_763_041,
        "parameters: mateuszbuda/brain-segmentation-pytorch; multiply-accumulates: layer by layer from its code",
    ),
    Network(
        "bert_tiny",
        (1, 16, 128),
        "Turc et al., Well-Read Students Learn Better, arXiv 1908.08962; the encoder, 16 tokens",
        partial(bert, layers=2, heads=2),
        6_422_528,
        396_800,
        _BERT_COUNT,
    ),
    Network(
        "bert_base",
        (1, 128, 768),
        "Devlin et al., BERT, arXiv 1810.04805; the encoder, 128 tokens",
        partial(bert, layers=12, heads=12),
        11_173_625_856,
        85_056_000,
        _BERT_COUNT,
    ),
    Network(
        "vit_b16",
        _IMAGE,
        "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929",
        partial(vision_transformer, patch=16, width=768, layers=12, heads=12, classes=1000),
        17_564_000_000,
        86_567_656,
        _TORCHVISION,
        macs_within=0.001,
        parameters_within=0.0001,
    ),
    Network(
        "yolov8n",
        (1, 3, 640, 640),
        _YOLO,
        yolov8n,
        4_350_000_000,
        3_157_184,
        _YOLO_COUNT,
        macs_within=0.01,
    ),
    Network(
        "yolov8n_320",
        (1, 3, 320, 320),
        _YOLO,
        yolov8n,
        1_087_500_000,
        3_157_184,
        f"{_YOLO_COUNT}, a quarter of it at 320 x 320",
        macs_within=0.01,
    ),
)

NETWORKS: dict[str, Network] = {row.name: row for row in _ROWS}
"""The networks by name, small ones first."""
