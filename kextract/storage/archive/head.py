"""What a classifier ends in, and how its logits are had exactly.

A network that ends in a softmax has its logits just before it. They are had by describing the last
layer anew, as a linear one, before Keras builds it: the logarithm of a probability that was rounded
to 0 or 1 would tell nothing.
"""

from kextract.storage.archive.graph import is_graph, is_model, output_layer
from kextract.storage.archive.values import Json

_ENDS = {"softmax": "softmax", "sigmoid": "sigmoid", "log_softmax": "logits", "linear": "logits"}
_WEIGHTED = ("Dense", "Conv2D")


def take_head(model: Json) -> str:
    """Take softmax or sigmoid off a cleaned description; say what stood there.

    That is `softmax` or `sigmoid`, which are gone now; `logits`, where there is nothing to take
    off; or `unknown`, where only the outputs can tell. The last layer then computes in float32.
    """
    layer = output_layer(model)
    if is_graph(model) and len(layer["inbound_nodes"]) != 1:
        # Applied several times, it is more than the head.
        return "unknown"
    if is_model(layer):
        return take_head(layer)
    config = layer["config"]
    if layer["class_name"] == "Softmax" and layer["module"] == "keras.layers":
        if config.get("axis", -1) not in (-1, [-1]):
            return "unknown"
        layer["class_name"] = "Activation"
        layer["config"] = {"name": config["name"], "activation": "linear", "dtype": "float32"}
        return "softmax"
    name = config.get("activation")
    is_plain = isinstance(name, str) and (layer["class_name"] in _WEIGHTED or name != "linear")
    known = (*_WEIGHTED, "Activation")
    if layer["class_name"] not in known or not is_plain or name not in _ENDS:
        return "unknown"
    config["activation"] = "linear"
    config["dtype"] = "float32"
    return _ENDS[str(name)]
