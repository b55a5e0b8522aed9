"""From a network to a classifier: which of its outputs is meant, what it is, and its exact logits.

The same for networks out of files and for those that Python has in memory, which are checked first.
"""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused, RequestError
from kextract.foreign import ExternalNetwork
from kextract.foreign.keras.description import Json, only_end
from kextract.foreign.keras.graph import OutputOperation, ending, ends_by_name, take_off
from kextract.models.adapter import adapt, outputs_by_name, shape_of_images
from kextract.models.architectures import weights_drawn_by
from kextract.models.axes import Shape, arranged, image_shape
from kextract.models.cloning import computes_by_itself
from kextract.models.cost import in_batches
from kextract.models.heads import Head, choose_output, decide, size_text
from kextract.models.infer_range import guess_input_range
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.models.made_up_images import of_all_kinds
from kextract.models.statistics import layers_within
from kextract.text import counted, one_line

_AT_ONCE, _FEW = 4, 2


def cut_at(
    network: keras.Model, where: object, output_name: str | None
) -> tuple[keras.Model, dict[str, str]]:
    """Return the network as far as one of its outputs, and the sizes of all of them by name.

    Raises SeveralOutputsError where one has to be chosen.
    """
    found = outputs_by_name(network)
    sizes = {name: size_text(tensor.shape[1:]) for name, tensor in found.items()}
    if not found and output_name is None:
        return network, {}
    chosen = choose_output(where, sizes, output_name)
    is_whole = isinstance(network, keras.Sequential) or network.output is found[chosen]
    if not is_whole:
        network = keras.Model(network.inputs[0], found[chosen], name=network.name)
    return network, {chosen: sizes.pop(chosen), **sizes}


def head_of(
    network: keras.Model,
    shape: Shape,
    input_range: Preprocessing,
    few: NDArray[Any],
    end: OutputOperation | None,
    taken_off: bool,
    requested: str | None = None,
) -> Head:
    """Say what a network's outputs are, or were before their last operation was `taken_off`.

    `few` are its outputs for a few images. Raises Refused for a softmax over parts of the outputs.
    """
    if end is not None and taken_off:
        _check_one_distribution(network, end)
        numbers = math.prod(few.shape[1:])
        reason = f"its last operation is {end.operation}"
        return Head(end.kind, reason, taken_off=True, numbers=numbers)

    def many() -> NDArray[Any]:
        images = _seen(network, of_all_kinds(shape), input_range)
        return in_batches(lambda part: network(part, training=False), images, _AT_ONCE)

    return decide(few, many, end.operation if end else None, requested)


def in_memory(
    model: keras.Model,
    *,
    input_range: Preprocessing = PIXELS,
    outputs: str | None = None,
    output_name: str | None = None,
) -> ExternalNetwork:
    """Take a network that Python has in memory as a classifier; it is not changed.

    Where its logits can be had exactly, by leaving out the softmax or sigmoid that it ends in, they
    are those of a copy: its head is `taken_off`. Raises RequestError for a network that takes no
    images, and SeveralOutputsError where an output has to be chosen.
    """
    shape = shape_of_images(model)
    input_range.check_fits(shape)
    network, sizes = cut_at(model, model.name, output_name)
    described = _described(network)
    end = None if described is None else ending(described)
    taken_off = end is not None and take_off(end, outputs)
    copy = _rebuilt(described, network) if described is not None and taken_off else None
    seen = copy or network
    few = np.asarray(seen(_seen(network, of_all_kinds(shape)[:_FEW], input_range), training=False))
    head = head_of(seen, shape, input_range, few, end, copy is not None, outputs)
    return ExternalNetwork(
        model=adapt(seen, shape, head=head, input_range=input_range),
        network=seen,
        input_shape=shape,
        head=head,
        outputs=sizes,
        input_range=input_range,
        guess=guess_input_range(seen, shape),
    )


def _described(network: keras.Model) -> Json | None:
    """Describe a network of layers that are connected; None for any other."""
    if type(network).__name__ not in ("Functional", "Sequential"):
        return None
    try:
        description: Json = keras.saving.serialize_keras_object(network)
    except (NotImplementedError, TypeError, ValueError):
        # Custom layers need not be able to describe themselves.
        return None
    config = description["config"]
    if "output_layers" in config:
        config["output_layers"] = only_end(config["output_layers"])
    ends_by_name(description)
    return description


def _rebuilt(description: Json, network: keras.Model) -> keras.Model | None:
    """Build what a description says, with the network's weights; None where that cannot be done."""
    own = {type(layer).__name__: type(layer) for layer in layers_within(network)}
    try:
        with weights_drawn_by(0):
            copy = keras.saving.deserialize_keras_object(
                description, custom_objects=own, safe_mode=False
            )
        copy.set_weights(network.get_weights())
    except (NotImplementedError, TypeError, ValueError):
        return None
    return copy


def _seen(
    network: keras.Model, images: NDArray[np.uint8], input_range: Preprocessing
) -> NDArray[np.float32]:
    pixels = input_range.apply((images / 127.5 - 1).astype(np.float32))
    return arranged(pixels, network.input_shape[1:])


def _check_one_distribution(network: keras.Model, end: OutputOperation) -> None:
    """Raise Refused where what sums to 1 is only a part of the outputs."""
    if not end.reshaped:
        return
    name = end.layer["config"]["name"]
    made = next(layer for layer in layers_within(network) if layer.name == name).output
    rows = [size for size in made.shape[1:-1] if size != 1]
    if rows:
        raise Refused(
            f"ends in a {end.operation} for each of {rows[0]} rows of {made.shape[-1]} numbers, not"
            " in a number per class"
        )


def classifier_given(
    model: Any, what: str, input_shape: tuple[int, int, int] | None = None
) -> keras.Model:
    """Return a classifier in memory as a network of layers that takes one tensor.

    A model of a class of its own is wrapped into one layer of such a network, and so is one that
    takes or gives a dictionary of one; others come back as they are. `what` names the argument,
    `input_shape` (h, w, c) is that of images that the model does not tell. Raises RequestError for
    what is not a model, was never built, or takes something else.
    """
    network = _built(model, what)
    if computes_by_itself(network):
        return _traced(network, what, input_shape)
    if len(network.inputs) != 1:
        raise RequestError(
            f"{what}: the model '{network.name}' takes {counted(len(network.inputs), 'input')};"
            " expected one of images"
        )
    if isinstance(network, keras.Sequential) or len(network.outputs) > 1:
        return network
    if not any(keras.tree.is_nested(ends) for ends in (network.input, network.output)):
        return network
    pixels = keras.Input(network.inputs[0].shape[1:], name="pixels")
    given = keras.tree.map_structure(lambda _: pixels, network.input)
    return keras.Model(pixels, _alone(network(given)), name=network.name)


def network_given(model: Any, what: str) -> keras.Model:
    """Return a network that is to be trained. Raises RequestError for one that cannot be kept."""
    network = _built(model, what)
    if computes_by_itself(network):
        raise RequestError(
            f"{what}: the model '{network.name}' computes in code of its own, of which no copy can"
            " be written; build it as a Sequential or a functional model"
        )
    for variable in network.weights:
        if variable.dtype != "float32":
            raise RequestError(
                f"{what}: the model '{network.name}' has weights of {variable.dtype}, expected"
                " float32: build it with the dtype policy float32, mixed_bfloat16 or mixed_float16"
            )
    return network


def check_apart(student: keras.Model, teacher: keras.Model) -> None:
    """Refuse a student that would change its teacher by learning."""
    shared = {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    if shared:
        raise RequestError(
            f"student: the model '{student.name}' shares {len(shared)} of its variables with the"
            " teacher, which would change as it learns; give a copy (keras.models.clone_model, then"
            " set_weights)"
        )


def _built(model: Any, what: str) -> keras.Model:
    """Return a Keras model that has its weights. Raises RequestError for anything else."""
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}".removeprefix("builtins.")
        raise RequestError(
            f"{what}: expected the path of a file or a keras.Model, found"
            f" {'None' if model is None else kind}"
        )
    if not model.built:
        raise RequestError(
            f"{what}: the model '{model.name}' was never built, so it has no weights yet: call it"
            " on images, or let it begin with a keras.Input"
        )
    return model


def _traced(model: keras.Model, what: str, input_shape: tuple[int, int, int] | None) -> keras.Model:
    """Wrap a model that computes in code of its own."""
    shape: Any = input_shape
    if shape is None:
        known = (model.get_build_config() or {}).get("input_shape")
        shape = tuple(known[1:]) if isinstance(known, tuple | list) else None
    if shape is None or image_shape(shape) is None:
        raise RequestError(
            f"{what}: the model '{model.name}' does not say which images it takes: name their"
            " height, width and channels with --input-shape"
        )
    pixels, before = keras.Input(shape, name="pixels"), len(model.variables)
    try:
        outputs = model(pixels)
    except Exception as error:  # Whatever the user's code raises.
        reason = one_line(str(error)) or type(error).__name__
        raise RequestError(f"{what}: the model '{model.name}' fails on images: {reason}") from error
    if len(model.variables) != before:
        raise RequestError(
            f"{what}: the model '{model.name}' was never called, so its weights are new: call it"
            " on images, and train or load it"
        )
    return keras.Model(pixels, _alone(outputs), name=model.name)


def _alone(outputs: Any) -> Any:
    """Take the only output out of a list or a dictionary."""
    found = keras.tree.flatten(outputs)
    return found[0] if len(found) == 1 else outputs
