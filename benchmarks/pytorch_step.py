"""The teacher's training step in PyTorch, for `benchmarks.training`: a process of its own.

    python -m benchmarks.pytorch_step --threads N

For each line that it reads it trains eight steps and answers with the seconds that they took by the
wall's clock and by the processor's. Channels last, autocast to bfloat16 and the fused Adam are what
PyTorch is fastest with on a processor.
"""

import argparse
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCH, STEPS, SIDE, CLASSES = 128, 8, 32, 10
PENALTY = 1e-4


def normalized(channels: int) -> nn.Module:
    """Normalize, then apply a ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Block(nn.Module):
    """A bottleneck of the ResNet-v2 of `kextract.models.architectures`."""

    def __init__(self, given: int, channels: int, made: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.before = nn.Identity() if first else normalized(given)
        self.branch = nn.Sequential(
            nn.Conv2d(given, channels, 1, stride),
            normalized(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            normalized(channels),
            nn.Conv2d(channels, made, 1),
        )
        self.shortcut = nn.Conv2d(given, made, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (n, c, h, w) to those of the next stage."""
        result: torch.Tensor = self.shortcut(x) + self.branch(self.before(x))
        return result


def resnet11() -> nn.Module:
    """Build the network: images (n, 3, 32, 32) to logits (n, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        normalized(16),
        Block(16, 16, 64, 1, first=True),
        Block(64, 64, 128, 2, first=False),
        Block(128, 128, 256, 2, first=False),
        normalized(256),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, CLASSES),
    )


def main() -> None:
    """Answer each line with the seconds of eight steps."""
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--threads", type=int)
    threads = reading.parse_args().threads
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    last = torch.channels_last
    network = resnet11().to(memory_format=last)
    weights = [each for each in network.parameters() if each.ndim == 4]
    others = [each for each in network.parameters() if each.ndim != 4]
    optimizer = torch.optim.Adam(
        [{"params": weights, "weight_decay": PENALTY}, {"params": others}], fused=True
    )
    pixels = torch.randint(0, 256, (BATCH * STEPS, 3, SIDE, SIDE), dtype=torch.uint8)
    images = pixels.contiguous(memory_format=last)
    labels = torch.randint(0, CLASSES, (BATCH * STEPS,))
    print(torch.__version__, sum(each.numel() for each in network.parameters()), flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        for start in range(0, BATCH * STEPS, BATCH):
            some = slice(start, start + BATCH)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(images[some] / 127.5 - 1)
            loss = functional.cross_entropy(logits.float(), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        print(time.perf_counter() - wall, time.process_time() - processor, flush=True)


if __name__ == "__main__":
    main()
