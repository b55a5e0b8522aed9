"""Writes the small ONNX files beside it, by both exporters of PyTorch.

    pip install torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2
    python written_by_pytorch.py

Each network is what users have: convolutions with batch normalization, a squeeze and excitation, a
shuffle of channels, a plain vision transformer. `NAME.npz` has two images and what PyTorch makes of
them. Notes on which line of a program each node is from are left out, they are most of a file.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
SIDE = 16


class Cnn(nn.Module):
    """Convolutions of every kind, a squeeze and excitation, and a classifier over a flat map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.depthwise = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.SiLU()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(8, 4, 1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 1),
            nn.Hardsigmoid(),
        )
        self.grouped = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1, groups=2), nn.GELU())
        self.classifier = nn.Linear(12 * 4 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.stem(images))
        x = x + self.depthwise(x)
        x = x * self.squeeze(x)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.classifier(torch.flatten(self.grouped(x), 1))


class Vit(nn.Module):
    """A vision transformer of two blocks, of PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.places = nn.Parameter(torch.randn(1, 17, 16))
        block = nn.TransformerEncoderLayer(
            16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(16)
        self.classifier = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return torch.softmax(self.classifier(self.norm(self.blocks(x))[:, 0]), dim=-1)


def trained(make: type[nn.Module]) -> nn.Module:
    """Give a network the statistics that training would have left."""
    torch.manual_seed(0)
    network = make().eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for mean_or_variance in (part.running_mean, part.running_var):
                assert mean_or_variance is not None
                mean_or_variance.uniform_(0.5, 2)
    return network


def main() -> None:
    images = torch.from_numpy(
        np.random.default_rng(0).uniform(-1, 1, (2, 3, SIDE, SIDE)).astype(np.float32)
    )
    networks: dict[str, type[nn.Module]] = {"cnn": Cnn, "vit": Vit}
    for name, make in networks.items():
        network = trained(make)
        with torch.no_grad():
            np.savez(HERE / f"{name}.npz", images=images, outputs=network(images))
        torch.onnx.export(
            network, (images[:1],), HERE / f"{name}-traced.onnx", dynamo=False, opset_version=17,
            input_names=["images"], output_names=["out"],
            dynamic_axes={"images": {0: "n"}, "out": {0: "n"}},
        )  # fmt: skip
        torch.onnx.export(
            network, (images[:1],), HERE / f"{name}-dynamo.onnx", dynamo=True, external_data=False,
        )  # fmt: skip
    torch.onnx.export(
        trained(Cnn), (images[:1],), HERE / "cnn-with-batch-norm.onnx", dynamo=False,
        opset_version=13, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip
    torch.onnx.export(
        trained(Cnn).half(), (images[:1].half(),), HERE / "cnn-float16.onnx", dynamo=True,
        external_data=False,
    )  # fmt: skip
    for path in HERE.glob("*.onnx"):
        without_notes(path)


def without_notes(path: Path) -> None:
    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.save(model, path)


if __name__ == "__main__":
    main()
