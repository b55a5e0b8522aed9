from pathlib import Path

from kextract.storage.checkpoint import count_parameters

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def test_the_article_s_network_has_the_article_s_parameter_count() -> None:
    assert count_parameters(CHECKPOINTS / "cifar10-resnet11.weights.h5") == 299_178
