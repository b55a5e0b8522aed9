import pytest

from kextract.models.build import build_model
from tests.models import counts


def test_the_article_s_network_has_the_article_s_parameter_count() -> None:
    assert build_model("resnet11", (32, 32, 3), 10).count_params() == 299_178


@pytest.mark.parametrize("depth", [11, 20, 29])
def test_a_resnet_counts_as_its_description_does(depth: int) -> None:
    model = build_model(f"resnet{depth}", (32, 32, 3), 10)
    assert model.count_params() == counts.resnet(depth, (32, 32, 3), 10, pooled=True)


def test_a_resnet_without_pooling_counts_every_place_of_its_last_map() -> None:
    model = build_model("resnet11", (28, 28, 1), 7)
    assert model.count_params() == counts.resnet(11, (28, 28, 1), 7, pooled=False)


@pytest.mark.parametrize("shape", [(28, 28, 1), (40, 24, 3)])
def test_global_pooling_makes_the_classifier_independent_of_the_image_size(
    shape: tuple[int, int, int],
) -> None:
    model = build_model("resnet11", shape, 10, pooling="global")
    assert model.count_params() == counts.resnet(11, shape, 10, pooled=True)


def test_lenet5_has_the_count_of_1998() -> None:
    assert build_model("lenet5", (28, 28, 1), 10).count_params() == 61_706


def test_half_a_lenet5_has_half_of_every_width() -> None:
    model = build_model("lenet5-half", (28, 28, 1), 10)
    assert model.count_params() == counts.lenet5((3, 8, 60, 42), 10)


@pytest.mark.parametrize(
    ("depth", "width", "published_millions"), [(16, 1, 0.2), (16, 2, 0.7), (40, 2, 2.2)]
)
def test_a_wide_resnet_counts_as_its_description_and_as_published(
    depth: int, width: int, published_millions: float
) -> None:
    """Published: Zagoruyko & Komodakis 2017, "Paying more attention to attention", table 1."""
    parameters = build_model(f"wrn-{depth}-{width}", (32, 32, 3), 10).count_params()
    assert parameters == counts.wide_resnet(depth, width, 3, 10)
    assert round(parameters / 1e6, 1) == published_millions
