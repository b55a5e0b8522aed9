from functools import cache
from typing import Any

import pytest

from kextract.models import MODELS
from kextract.models.axes import Shape
from kextract.models.build import build_model
from kextract.models.spec import cost_of
from tests.models import counts


@cache
def built(name: str, shape: Shape, classes: int = 10, **options: Any) -> Any:
    return build_model(name, shape, classes, **options)


def test_the_article_s_network_has_the_article_s_parameter_count() -> None:
    assert built("resnet11", (32, 32, 3), 10).count_params() == 299_178


@pytest.mark.parametrize("depth", [11, 20, pytest.param(29, marks=pytest.mark.slow)])
def test_a_resnet_counts_as_its_description_does(depth: int) -> None:
    model = built(f"resnet{depth}", (32, 32, 3), 10)
    assert model.count_params() == counts.resnet(depth, (32, 32, 3), 10, pooled=True)


def test_a_resnet_without_pooling_counts_every_place_of_its_last_map() -> None:
    model = built("resnet11", (28, 28, 1), 7)
    assert model.count_params() == counts.resnet(11, (28, 28, 1), 7, pooled=False)


@pytest.mark.parametrize("shape", [(28, 28, 1), (40, 24, 3)])
def test_global_pooling_makes_the_classifier_independent_of_the_image_size(
    shape: tuple[int, int, int],
) -> None:
    model = built("resnet11", shape, 10, pooling="global")
    assert model.count_params() == counts.resnet(11, shape, 10, pooled=True)


def test_lenet5_has_the_count_of_1998() -> None:
    assert built("lenet5", (28, 28, 1), 10).count_params() == 61_706


def test_half_a_lenet5_has_half_of_every_width() -> None:
    model = built("lenet5-half", (28, 28, 1), 10)
    assert model.count_params() == counts.lenet5((3, 8, 60, 42), 10)


@pytest.mark.parametrize(
    ("depth", "width", "published_millions"),
    [(16, 1, 0.2), (16, 2, 0.7), pytest.param(40, 2, 2.2, marks=pytest.mark.slow)],
)
def test_a_wide_resnet_counts_as_its_description_and_as_published(
    depth: int, width: int, published_millions: float
) -> None:
    """Published: Zagoruyko & Komodakis 2017, "Paying more attention to attention", table 1."""
    parameters = built(f"wrn-{depth}-{width}", (32, 32, 3), 10).count_params()
    assert parameters == counts.wide_resnet(depth, width, 3, 10)
    assert round(parameters / 1e6, 1) == published_millions


@pytest.mark.parametrize(
    ("name", "stem", "filters"),
    [
        ("mobile", 32, (64, 128, 128, 256, 256, 256)),
        ("mobile@0.5", 16, (32, 64, 64, 128, 128, 128)),
        ("tiny", 16, (24, 48, 48, 64, 64)),
        ("tiny@0.3", 4, (8, 16, 16, 20, 20)),
    ],
)
def test_a_separable_network_counts_as_its_description(
    name: str, stem: int, filters: tuple[int, ...]
) -> None:
    parameters = built(name, (28, 28, 1), 10).count_params()
    assert parameters == counts.separable(stem, filters, 1, 10)


@pytest.mark.parametrize("name", ["wrn-16-2", "lenet5"])
def test_half_a_width_is_about_a_quarter_of_the_parameters(name: str) -> None:
    full, half = (built(each, (32, 32, 3), 10) for each in (name, f"{name}@0.5"))
    assert 0.24 < half.count_params() / full.count_params() < 0.28


def test_half_a_lenet5_is_lenet5_at_half_the_width() -> None:
    half, scaled = (
        built(name, (28, 28, 1), 10, seed=3).get_weights() for name in ("lenet5-half", "lenet5@0.5")
    )
    assert all((one == other).all() for one, other in zip(half, scaled, strict=True))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("resnet29", "wrn-40-2") else ())
        for name in MODELS
    ],
)
def test_the_listed_cost_is_that_of_the_network(name: str) -> None:
    assert cost_of(built(name, (32, 32, 3), 10)) == MODELS[name].cost


@pytest.mark.parametrize("shape", [(16, 16, 3), (28, 28, 1), (96, 96, 3)])
@pytest.mark.parametrize("name", ["mobile", "tiny@0.5"])
def test_a_small_network_s_last_map_has_4_to_12_places_a_side(
    name: str, shape: tuple[int, int, int]
) -> None:
    model = built(name, shape, 5)
    assert 4 <= model.get_layer("pooling").input.shape[1] <= 12
