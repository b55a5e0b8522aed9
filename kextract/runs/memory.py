"""Networks that Python has in memory, checked before anything is done with them, and those of a
user's own that are to be trained, out of a file or in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.errors import RequestError
from kextract.foreign.keras import load_archive
from kextract.models.axes import image_shape
from kextract.models.heads import SeveralOutputsError
from kextract.records import Event
from kextract.text import counted, one_line

if TYPE_CHECKING:
    import keras


def classifier_given(
    model: Any, what: str, input_shape: tuple[int, int, int] | None = None
) -> "keras.Model":
    """Return a classifier in memory as a network of layers that takes one tensor.

    A model of a class of its own is wrapped into one layer of such a network, and so is one that
    takes or gives a dictionary of one; others come back as they are. `what` names the argument,
    `input_shape` (h, w, c) is that of images that the model does not tell. Raises RequestError for
    what is not a model, was never built, or takes something else.
    """
    network = built(model, what)
    import keras

    from kextract.models.cloning import computes_by_itself

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
    arranged = keras.tree.map_structure(lambda _: pixels, network.input)
    return keras.Model(pixels, _alone(network(arranged)), name=network.name)


def network_given(model: Any, what: str) -> "keras.Model":
    """Return a network that is to be trained. Raises RequestError for one that cannot be kept."""
    network = built(model, what)
    from kextract.models.cloning import computes_by_itself

    if computes_by_itself(network):
        raise RequestError(
            f"{what}: the model '{network.name}' computes in code of its own, of which no copy can"
            " be written; build it as a Sequential or a functional model"
        )
    _check_float32(network, what)
    return network


def _check_float32(network: "keras.Model", what: str) -> None:
    for variable in network.weights:
        if variable.dtype != "float32":
            raise RequestError(
                f"{what}: the model '{network.name}' has weights of {variable.dtype}, expected"
                " float32: build it with the dtype policy float32, mixed_bfloat16 or mixed_float16"
            )


def check_apart(student: "keras.Model", teacher: "keras.Model") -> None:
    """Refuse a student that would change its teacher by learning."""
    shared = {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    if shared:
        raise RequestError(
            f"student: the model '{student.name}' shares {len(shared)} of its variables with the"
            " teacher, which would change as it learns; give a copy (keras.models.clone_model, then"
            " set_weights)"
        )


def built(model: Any, what: str) -> "keras.Model":
    """Return a Keras model that has its weights. Raises RequestError for anything else."""
    runtime.start()
    import keras

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


def _traced(
    model: "keras.Model", what: str, input_shape: tuple[int, int, int] | None
) -> "keras.Model":
    """Wrap a model that computes in code of its own."""
    import keras

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
    import keras

    found = keras.tree.flatten(outputs)
    return found[0] if len(found) == 1 else outputs


@dataclass(frozen=True)
class OwnNetwork:
    """A network to train, and the one that the user gave where that is another."""

    network: "keras.Model"
    """Float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
    inside: "keras.Model | None" = None
    """A copy of `given` without its last operation, within `network`."""
    given: "keras.Model | None" = None

    def following(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass a training's events on; however it ends, the given network has learnt as much."""
        try:
            yield from events
        finally:
            if self.given is not None and self.inside is not None:
                self.given.set_weights(self.inside.get_weights())


def own_network(
    where: "Path | keras.Model",
    flag: str,
    input_shape: tuple[int, int, int],
    classes: int,
    precision: str,
) -> OwnNetwork:
    """Take a network as it is to be trained: from images in [-1, 1] to logits.

    One that ends in a softmax is trained without it. Raises RequestError, by `flag`, for an unfit
    one.
    """
    try:
        found = _trained(where, precision)
    except SeveralOutputsError as error:
        listed = ", ".join(f"{name} ({size})" for name, size in error.sizes.items())
        raise RequestError(
            f"{flag}: the network has {len(error.sizes)} outputs, {listed}; give one that has one"
        ) from error
    network = found.network
    if (network.input_shape, network.output_shape) != ((None, *input_shape), (None, classes)):
        raise RequestError(
            f"{flag}: the network takes {network.input_shape} and gives {network.output_shape};"
            f" expected {(None, *input_shape)} and {(None, classes)}"
        )
    return found


def _trained(where: "Path | keras.Model", precision: str) -> OwnNetwork:
    if isinstance(where, Path):
        return OwnNetwork(load_archive(where, precision=precision).model)
    from kextract.foreign.keras.classifier import in_memory

    found = in_memory(where)
    if found.head.given == "logits" and found.network is where:
        return OwnNetwork(where)
    return OwnNetwork(found.model, found.network, where if found.head.taken_off else None)
