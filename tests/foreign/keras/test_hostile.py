"""Archives made to do harm are refused in one line, soon, and before memory is used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from kextract.foreign.keras.description import MAX_LAYERS
from tests.foreign.keras.examples import layer, with_config, with_weights
from tests.foreign.refusing import refusal
from tests.fuzzing.damage import members_of, packed
from tests.fuzzing.running import forget_peak, megabytes

Change = Callable[[bytes], bytes]
KERNEL = "layers/conv2d/vars/0"


def set_in(name: str, **fields: Any) -> Change:
    return lambda data: with_config(data, lambda c: layer(c, name).update(fields))


def set_option(name: str, **options: Any) -> Change:
    return lambda data: with_config(data, lambda c: layer(c, name)["config"].update(options))


def argument(value: Any) -> Change:
    def change(config: Any) -> None:
        layer(config, "flat")["inbound_nodes"][0]["args"] = [value]

    return lambda data: with_config(data, change)


def tensor(kind: str) -> dict[str, Any]:
    return {"class_name": kind, "config": {"value": [1.0], "dtype": "float32"}}


def function(name: str) -> dict[str, Any]:
    return {"module": "builtins", "class_name": "function", "config": name}


def wrapped(config: Any) -> Any:
    for _ in range(12):
        inner = {**config, "name": config["config"]["name"], "inbound_nodes": []}
        config = {"class_name": "Sequential", "module": "keras"}
        config["config"] = {"name": "outer", "layers": [inner]}
    return config


def many_layers(config: Any) -> None:
    config["config"]["layers"] = [layer(config, "flat")] * (MAX_LAYERS + 1)


def circle(config: Any) -> None:
    source = layer(config, "conv")["inbound_nodes"][0]["args"][0]["config"]
    source["keras_history"] = ["flat", 0, 0]


def source(name: str) -> dict[str, Any]:
    """Describe what a layer made, as an argument of another."""
    tensor = {"shape": [None], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": tensor}


def layer_of(kind: str, name: str, argument: Any) -> dict[str, Any]:
    """Describe a layer that is applied to something."""
    node = {"args": [argument], "kwargs": {}}
    fields = {"module": "keras.layers", "class_name": kind, "registered_name": None}
    return {**fields, "config": {"name": name}, "name": name, "inbound_nodes": [node]}


def unused(config: Any) -> None:
    image = config["config"]["layers"][0]["config"]["name"]
    config["config"]["layers"].append(layer_of("ReLU", "idle", source(image)))


TRAINING = {"args": [], "kwargs": {"training": True}}
CLASS = "which is not read"
DESCRIPTIONS: dict[str, tuple[Change, str]] = {
    "a lambda": (set_in("flat", class_name="Lambda"), "'flat' is of class 'keras.layers.Lambda'"),
    "torch": (set_in("flat", class_name="TorchModuleWrapper"), "TorchModuleWrapper"),
    "a foreign class": (set_in("flat", module="os", class_name="system"), "class 'os.system'"),
    "a registered name": (set_in("flat", registered_name="mine>Flat"), "class 'mine>Flat'"),
    "a class that is a list": (set_in("flat", class_name=["Flatten"]), CLASS),
    "a foreign model": (lambda d: with_config(d, lambda c: c.update(class_name="Mine")), "Mine"),
    "a function": (set_option("conv", activation=function("eval")), "activation 'function'"),
    "an own activation": (set_option("conv", activation="mine"), "activation 'mine'"),
    "an own initializer": (set_option("conv", bias_initializer="mine"), "'bias_initializer'"),
    "an own regularizer": (set_option("conv", kernel_regularizer="l9"), "not one of"),
    "an own policy": (set_option("conv", dtype={"class_name": "Mine"}), "policy 'Mine'"),
    "quantized": (set_option("end", quantization_config={"a": 1}), "quantized"),
    "a tensor": (argument(tensor("__tensor__")), "applied to a '__tensor__'"),
    "a tensor as option": (set_option("flat", scale=tensor("__tensor__")), "'__tensor__'"),
    "training": (set_in("flat", inbound_nodes=[TRAINING]), "training=True"),
    "a huge option": (set_option("end", units=10**12), "1000000000000; at most 1048576"),
    "a layer for nothing": (lambda d: with_config(d, unused), "'idle' that nothing depends on"),
    "a circle": (lambda d: with_config(d, circle), "in a circle"),
    "models in models": (lambda d: with_config(d, wrapped), "models inside models"),
    "many layers": (lambda d: with_config(d, many_layers), f"more than {MAX_LAYERS} layers"),
    "a control character": (set_option("flat", data_format="\x1b[2J"), "unprintable"),
}


@pytest.mark.parametrize("name", sorted(DESCRIPTIONS))
def test_what_is_not_of_keras_is_refused(name: str, sound: bytes, tmp_path: Path) -> None:
    change, says = DESCRIPTIONS[name]
    assert says in refusal(tmp_path / "x.keras", change(sound))


JSONS: dict[str, tuple[bytes, str]] = {
    "deep lists": (b"[" * 150_000, "not JSON"),
    "deeper lists": (b"[" * 3_000_000, "more than 200000 objects and lists"),
    "too long": (b'{"a":"' + b"x" * (4 << 20) + b'"}', "at most 4194304 are read"),
    "many objects": (b'{"a":[' + b"{}," * 1_300_000 + b"{}]}", "more than 200000 objects"),
    "nothing": (b"", "not JSON"),
    "not a number": (b'{"a": NaN}', "not JSON"),
    "infinite": (b'{"a": 1e999}', "not finite"),
    "a long number": (b'{"a": ' + b"9" * 9000 + b"}", "not JSON"),
    "a name twice": (b'{"a": 1, "a": 2}', "not JSON"),
}


@pytest.mark.parametrize("name", sorted(JSONS))
def test_a_description_that_is_no_sound_json_is_refused(
    name: str, sound: bytes, tmp_path: Path
) -> None:
    content, says = JSONS[name]
    data = packed(members_of(sound) | {"config.json": content})
    assert says in refusal(tmp_path / "x.keras", data)


def applied(config: Any, kind: str, name: str, argument: str, **options: Any) -> str:
    """Apply one more layer to what another one made; give its name."""
    more = layer_of(kind, name, source(argument))
    more["config"].update(options)
    config["config"]["layers"].append(more)
    return name


def cropped(config: Any, large: str) -> None:
    """Give the network the middle of something large, so that its weights are as they were."""
    crop = applied(config, "CenterCrop", "crop", large, height=16, width=16)
    layer(config, "conv")["inbound_nodes"][0]["args"] = [source(crop)]


def upsampled(config: Any) -> None:
    """Double the image again and again, without a single weight."""
    large = config["config"]["layers"][0]["config"]["name"]
    for number in range(16):
        large = applied(config, "UpSampling2D", f"larger_{number}", large, size=[2, 2])
    cropped(config, large)


def large_input(config: Any) -> None:
    image = config["config"]["layers"][0]
    image["config"]["batch_shape"][1:3] = [1 << 20] * 2
    cropped(config, image["config"]["name"])


def inserted(count: int, **options: Any) -> Change:
    """Put normalizations side by side before the network, for an image of 4096x4096."""

    def change(config: Any) -> None:
        layers = config["config"]["layers"]
        image, conv, means = layers[0], layer(config, "conv"), []
        image["config"]["batch_shape"] = [None, 4096, 4096, 1]
        for number in range(count):
            fields: dict[str, Any] = {"name": f"n{number}", "axis": [1, 2, 3], **options}
            more = layer_of("Normalization", fields["name"], source(image["config"]["name"]))
            more["config"] = fields
            layers.insert(1 + number, more)
            means.append(source(fields["name"]))
        layers.insert(1 + count, layer_of("Add", "sum", [*means, means[0]]))
        conv["inbound_nodes"] = [{"args": [source("sum")], "kwargs": {}}]

    return lambda data: with_config(data, change)


SIZES: dict[str, tuple[Change, str]] = {
    "units": (set_option("end", units=1 << 20), "more weights than its file has room for"),
    "activations": (lambda d: with_config(d, upsampled), "numbers of one image in one layer"),
    "an image": (lambda d: with_config(d, large_input), "numbers of one image in one layer"),
    "means": (inserted(50), "normalizes by more than 1048576 numbers"),
    "given means": (inserted(50, mean=0.0, variance=1.0), "normalizes by more than 1048576"),
}


@pytest.mark.parametrize("name", sorted(SIZES))
def test_declared_sizes_take_no_memory(name: str, sound: bytes, tmp_path: Path) -> None:
    change, says = SIZES[name]
    data = change(sound)
    forget_peak()
    before = megabytes("VmRSS")
    assert says in refusal(tmp_path / "x.keras", data)
    assert megabytes("VmHWM") - before < 50


def test_more_tensors_than_the_file_has_are_not_even_named(sound: bytes, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        layers, copies = config["config"]["layers"], [source("conv")]
        for number in range(1000):
            more = json.loads(json.dumps(layer(config, "conv")))
            more["config"]["name"] = f"more_{number}"
            layers.insert(-1, more)
            copies.append(source(more["config"]["name"]))
        layers.insert(-1, layer_of("Add", "sum", copies))
        layer(config, "norm")["inbound_nodes"] = [{"args": [source("sum")], "kwargs": {}}]

    data = with_config(sound, change)
    assert "more tensors than its file" in refusal(tmp_path / "x.keras", data)


def test_weights_are_checked_as_those_of_a_checkpoint(sound: bytes, tmp_path: Path) -> None:
    def link(file: Any) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink("other.h5", "x")

    says = refusal(tmp_path / "x.keras", with_weights(sound, link))
    assert "is a soft or external link" in says
