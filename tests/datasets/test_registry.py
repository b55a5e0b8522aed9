from kextract.datasets import dataset_names, describe_datasets
from kextract.datasets.registry import DATASETS


def test_every_name_has_a_description_of_one_line() -> None:
    assert [name for name, _ in describe_datasets()] == dataset_names()
    assert {"mnist", "fashion-mnist", "cifar10", "cifar100", "strokes"} <= set(dataset_names())
    assert all(text and "\n" not in text for _, text in describe_datasets())


def test_every_description_tells_the_shape_and_the_number_of_classes() -> None:
    for spec in DATASETS.values():
        assert "x".join(map(str, spec.input_shape)) in spec.description
        assert f"{len(spec.class_names)} classes" in spec.description
        assert len(set(spec.class_names)) == len(spec.class_names)


def test_digits_are_not_mirrored_and_pictures_are() -> None:
    flips = {name: spec.flip for name, spec in DATASETS.items()}
    assert not flips["mnist"] and not flips["strokes"]
    assert flips["fashion-mnist"] and flips["cifar10"] and flips["cifar100"]
