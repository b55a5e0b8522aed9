"""What a Keras archive may be made of: Keras's own building blocks of image classifiers.

A name that is not listed here is refused, however harmless it may be. What is missing on purpose:
layers that run code from the file (Lambda), call another program or format (TFSMLayer,
TorchModuleWrapper, JaxLayer, FlaxLayer), look things up in files (StringLookup), keep a state
between calls (RNN, SpectralNormalization), or wrap other layers (TimeDistributed, Bidirectional).
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


RANDOM_LAYERS = _names(
    """
    ActivityRegularization AlphaDropout AugMix CutMix Dropout GaussianDropout GaussianNoise MixUp
    RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
    RandomSharpness RandomShear RandomTranslation RandomZoom SpatialDropout2D
    """
)
"""Those that do nothing outside of training."""
_OTHERS = _names(
    """
    Activation Add AdaptiveAveragePooling2D AdaptiveMaxPooling2D Average AveragePooling2D
    BatchNormalization CenterCrop Concatenate Conv2D Conv2DTranspose Cropping2D Dense
    DepthwiseConv2D ELU EinsumDense Flatten GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization
    LeakyReLU MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute
    RMSNormalization ReLU RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax Subtract
    UnitNormalization UpSampling2D ZeroPadding2D
    """
)
LAYERS = _OTHERS | RANDOM_LAYERS
WEIGHTED_LAYERS = _names(
    """
    BatchNormalization Conv2D Conv2DTranspose Dense DepthwiseConv2D EinsumDense SeparableConv2D
    """
)
"""Those that have weights whatever their options are."""
OWN = ("kextract.models.batch_norm", "BatchNormalization")
"""What kextract's networks had in place of Keras's own layer, which computes the same."""
MODELS = frozenset({"Functional", "Sequential"})
OPERATIONS = {
    "keras.src.ops.numpy": _names(
        """
        Absolute Add Clip Concatenate Divide Einsum Exp ExpandDims Flip GetItem Log Matmul Max
        Maximum Mean Min Minimum Multiply Negative Power Reshape Sqrt Square Squeeze Stack Subtract
        Sum Tanh Transpose TrueDivide ZerosLike
        """
    ),
    "keras.src.ops.nn": _names(
        """
        Elu Gelu HardSigmoid HardSilu LeakyRelu LogSigmoid LogSoftmax Relu Relu6 Selu Sigmoid Silu
        Softmax Softplus
        """
    ),
}
"""What arithmetic on tensors becomes in a functional model, by module."""
MODULE_OF = {name: module for module, names in OPERATIONS.items() for name in names}

ACTIVATIONS = _names(
    """
    celu elu exponential gelu hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """
)
ACTIVATION_LAYERS = frozenset({"ELU", "LeakyReLU", "ReLU", "Softmax"})
INITIALIZERS = _names(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
    """
)
REGULARIZERS = frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"})
CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"})
HELPER_MODULES = frozenset({"keras.initializers", "keras.regularizers", "keras.constraints"})
POLICIES = frozenset({"float32", "mixed_bfloat16", "mixed_float16"})

_MODULES = {
    "keras": MODELS,
    "keras.models": MODELS,
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.layers": LAYERS,
    **OPERATIONS,
}


def is_allowed(module: object, name: object) -> bool:
    """Tell whether a layer, a model or an operation of this module and class is read."""
    known = isinstance(module, str) and isinstance(name, str)
    return known and name in _MODULES.get(str(module), ())
