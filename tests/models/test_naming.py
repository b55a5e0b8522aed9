from kextract.models.blocks import LayerNames


def test_layers_are_numbered_by_kind_and_the_first_has_no_number() -> None:
    name = LayerNames()
    made = [name(kind) for kind in ("conv2d", "conv2d", "dense", "conv2d")]
    assert made == ["conv2d", "conv2d_1", "dense", "conv2d_2"]


def test_numbering_starts_anew_for_every_model() -> None:
    LayerNames()("conv2d")
    assert LayerNames()("conv2d") == "conv2d"
