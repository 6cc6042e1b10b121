"""Trains the three example networks on real handwritten digits and writes them, with held-out data, beside this file.

    pip install '.[examples]'
    python examples/train.py [cnn] [resnet8] [mobilenet]

Digits: `sklearn.datasets.load_digits`, 1797 grey images of 8 x 8 (UCI "Optical Recognition of Handwritten Digits"),
enlarged bilinearly to 28 x 28 and 32 x 32. Without names all three networks are trained (a few minutes on one core).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent
SEED = 2
TEST_IMAGES = 360
CALIBRATION_IMAGES = 64


class Cnn(nn.Sequential):
    """The classic small network: one convolution of 32 3x3 filters, pooling, one dense layer. Input [1, 28, 28]."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 13 * 13, 10))


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut; a block that changes the shape has a strided 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Sequential):
    """The image classification network of MLPerf Tiny (16, 32, 64 channels), grey. Input [1, 32, 32]."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            Residual(16, 16, 1),
            Residual(16, 32, 2),
            Residual(32, 64, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )


def _separable(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution across them (MobileNet, Howard 2017)."""
    return [
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU6(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    ]


class MobileNet(nn.Sequential):
    """A short MobileNet: strided stem, six depthwise-separable blocks, three with stride 2. Input [1, 32, 32]."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            *_separable(16, 24, 1),
            *_separable(24, 40, 2),
            *_separable(40, 40, 1),
            *_separable(40, 80, 2),
            *_separable(80, 80, 1),
            *_separable(80, 128, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. size: side of its square input; rate: highest learning rate."""

    network: Callable[[], nn.Module]
    size: int
    epochs: int
    rate: float


RECIPES = {
    "cnn": Recipe(Cnn, 28, 30, 3e-3),
    "resnet8": Recipe(ResNet8, 32, 20, 4e-3),
    "mobilenet": Recipe(MobileNet, 32, 40, 4e-3),
}


def _enlarge(images: Tensor, size: int) -> Tensor:
    """[N, 1, 8, 8] -> [N, 1, size, size], rounded to 1/255 as a camera would and so that the file compresses well."""
    large = functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return torch.round(large * 255) / 255


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """The batch moved by up to three pixels each way, which keeps a small training set from being learnt by heart."""
    down, right = torch.randint(-3, 4, (2,), generator=generator).tolist()
    padded = functional.pad(images, (3, 3, 3, 3))
    size = images.shape[-1]
    return padded[..., 3 + down : 3 + down + size, 3 + right : 3 + right + size]


def _train(recipe: Recipe, images: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = recipe.network()
    batch = 32
    steps = recipe.epochs * (len(images) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    network.train()
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator)[: len(images) // batch * batch]
        for chosen in order.split(batch):
            loss = functional.cross_entropy(network(_shifted(images[chosen], generator)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))
    test, calibration = order[:TEST_IMAGES], order[TEST_IMAGES : TEST_IMAGES + CALIBRATION_IMAGES]
    train = order[TEST_IMAGES + CALIBRATION_IMAGES :]
    arrays = {"labels": labels[test].numpy()}
    for size in (28, 32):
        arrays[f"images_{size}"] = _enlarge(images[test], size).numpy()
        arrays[f"calibration_{size}"] = _enlarge(images[calibration], size).numpy()
    np.savez_compressed(HERE / "digits.npz", **arrays)
    for name in names or RECIPES:
        recipe = RECIPES[name]
        network = _train(recipe, _enlarge(images[train], recipe.size), labels[train])
        with torch.no_grad():
            right = network(_enlarge(images[test], recipe.size)).argmax(1) == labels[test]
        print(f"{name}: {right.float().mean():.4f} of {len(test)} test images right")
        program = torch.onnx.export(
            nn.Sequential(network, nn.Softmax(1)).eval(),
            (torch.zeros(1, 1, recipe.size, recipe.size),),
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            output_names=["probabilities"],
            verbose=False,
        )
        assert program is not None
        ClearMetadataAndDocStringPass()(program.model)  # the exporter notes the author's source lines and folders
        program.save(HERE / f"digits_{name}.onnx", external_data=False)


if __name__ == "__main__":
    main(sys.argv[1:])
