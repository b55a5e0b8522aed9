from functools import partial

import pytest

from kextract.errors import RequestError, UnknownNameError
from kextract.models import check_input_shape, model_pooling, model_spec


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("renset11", "resnet11"), ("moblie@0.5", "mobile"), ("wrn162", "wrn")],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{right}"):
        model_spec(wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("resnet12", "resnet11"),
        ("resnet2", "resnet11"),
        ("resnet9999", "resnet1001"),
    ],
)
def test_a_resnet_of_another_depth_is_refused_with_one_that_exists(wrong: str, hint: str) -> None:
    with pytest.raises(RequestError, match=rf"'{wrong}'.*9n \+ 2.*'{hint}'"):
        model_spec(wrong)


@pytest.mark.parametrize("name", ["mobile@0.5", "resnet38@0.25"])
def test_every_architecture_has_every_width(name: str) -> None:
    base, _, width = name.partition("@")
    spec = model_spec(name)
    assert spec.description == model_spec(base).description
    assert spec.poolings == model_spec(base).poolings
    assert isinstance(spec.build, partial)
    assert spec.build.keywords["width"] == float(width)


@pytest.mark.parametrize("width", ["", "0.05", "5", "1e1", "0.5@0.5", "٣"])
def test_a_width_that_is_none_is_refused_with_one_that_is(width: str) -> None:
    with pytest.raises(RequestError, match=rf"'mobile@{width}'.*0\.1 to 4.*'mobile@0\.5'"):
        model_spec(f"mobile@{width}")


@pytest.mark.parametrize(
    ("side", "pooling"), [(32, "article"), (29, "article"), (28, "none"), (16, "none")]
)
def test_a_resnet_pools_as_the_article_where_that_fits(side: int, pooling: str) -> None:
    assert model_pooling("resnet11", (side, side, 3), None) == pooling


@pytest.mark.parametrize("shape", [(28, 32, 3), (32, 28, 3)])
def test_the_article_s_pooling_is_refused_where_it_does_not_fit(
    shape: tuple[int, int, int],
) -> None:
    with pytest.raises(RequestError, match=f"--pooling article.*29x29.*{shape[0]}x{shape[1]}"):
        model_pooling("resnet20", shape, "article")


@pytest.mark.parametrize(
    ("name", "requested"), [("lenet5", "global"), ("wrn-16-1", "none"), ("wrn-16-1", "article")]
)
def test_a_model_with_its_own_pooling_refuses_another(name: str, requested: str) -> None:
    with pytest.raises(RequestError, match=f"--pooling {requested}: '{name}'"):
        model_pooling(name, (32, 32, 3), requested)


@pytest.mark.parametrize("shape", [(15, 16, 1), (16, 15, 3), (32, 32, 2)])
def test_other_images_are_refused_by_their_shape(shape: tuple[int, int, int]) -> None:
    with pytest.raises(RequestError, match="x".join(map(str, shape))):
        check_input_shape(shape)
