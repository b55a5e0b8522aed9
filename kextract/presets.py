"""Ready-made settings: what each method defaults to, a recipe of ours, and published ones."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kextract.config import DistillConfig, InversionConfig
from kextract.errors import RequestError, UnknownNameError

Settings = Mapping[str, Any]
"""Fields of DistillConfig and InversionConfig by name; no name is in both."""

_PICTURES: Settings = {
    "epochs": 12,
    "steps_per_epoch": 100,
    "batch_size": 64,
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "distance": "l1",
    "shift": 2,
}
METHOD_SETTINGS: Mapping[str, Settings] = {
    "shapes": _PICTURES,
    "inversion": _PICTURES,
    "surrogate": _PICTURES,
    "real": _PICTURES,
}
"""Where a method departs from the defaults, which are the article's."""


@dataclass(frozen=True)
class Preset:
    """A recipe: a published one, as far as its losses are in our vocabulary, or one of ours."""

    source: str
    settings: Settings
    left_out: str = ""


PRESETS: Mapping[str, Preset] = {
    "photos": Preset(
        "ours, for photographs; the defaults are for digits",
        {
            "class_weight": 0.0,
            "batch_norm_weight": 2.0,
            "adversarial_weight": 0.25,
            "adversarial_after": 600,
            "distance": "kl",
            "generator_channels": 32,
            "warm_up": 300,
            "generator_steps": 3,
            "new_images": 512,
            "bank_size": 32768,
            "shift": 3,
            "epochs": 15,
            "steps_per_epoch": 500,
            "learning_rate": 0.015,
        },
    ),
    "dafl": Preset(
        "Chen et al. 2019",
        {
            "class_weight": 1.0,
            "batch_norm_weight": 0.0,
            "adversarial_weight": 0.0,
            "balance_weight": 5.0,
            "distance": "kl",
            "temperature": 1.0,
            "round_updates": 1,
            "generator_steps": 1,
            "new_images": 128,
            "first_images": 128,
            "bank_size": 128,
            "warm_up": 1,
        },
        left_out="the activation loss",
    ),
    "dfad": Preset(
        "Fang et al. 2019",
        {
            "class_weight": 0.0,
            "batch_norm_weight": 0.0,
            "adversarial_weight": 1.0,
            "adversarial_after": 0,
            "distance": "l1",
            "round_updates": 5,
            "generator_steps": 1,
            "new_images": 640,
            "first_images": 640,
            "bank_size": 640,
            "warm_up": 1,
        },
        left_out="it counts all samples, not only those where both agree",
    ),
    "zskt": Preset(
        "Micaelli & Storkey 2019",
        {
            "class_weight": 0.0,
            "batch_norm_weight": 0.0,
            "adversarial_weight": 1.0,
            "adversarial_after": 0,
            "distance": "kl",
            "temperature": 1.0,
            "round_updates": 10,
            "generator_steps": 1,
            "new_images": 128,
            "first_images": 128,
            "bank_size": 128,
            "warm_up": 1,
        },
        left_out="attention transfer",
    ),
    "dfq": Preset(
        "Choi et al. 2020",
        {
            "class_weight": 1.0,
            "batch_norm_weight": 1.0,
            "adversarial_weight": 1.0,
            "adversarial_after": 0,
            "balance_weight": 20.0,
            "distance": "kl",
            "temperature": 20.0,
            "round_updates": 10,
            "generator_steps": 1,
            "new_images": 1280,
            "first_images": 1280,
            "bank_size": 1280,
        },
    ),
    "deepinversion": Preset(
        "Yin et al. 2020",
        {
            "class_weight": 1.0,
            "batch_norm_weight": 10.0,
            "adversarial_weight": 0.0,
            "variation_weight": 2.5e-5,
            "distance": "kl",
            "temperature": 3.0,
        },
        left_out="pixels are optimized there, a generator here",
    ),
    "cmi": Preset(
        "Fang et al. 2021",
        {
            "class_weight": 0.5,
            "batch_norm_weight": 1.0,
            "adversarial_weight": 0.5,
            "distance": "kl",
            "temperature": 20.0,
        },
        left_out="the contrastive loss, and a new generator for every batch",
    ),
    "fast": Preset(
        "Fang et al. 2022",
        {
            "class_weight": 0.4,
            "batch_norm_weight": 10.0,
            "adversarial_weight": 1.33,
            "distance": "kl",
            "temperature": 20.0,
        },
        left_out="meta-learning of the generator",
    ),
}


def preset(name: str) -> Preset:
    """Look a preset up."""
    if name not in PRESETS:
        raise UnknownNameError("preset (--preset)", name, PRESETS)
    return PRESETS[name]


def distill_config(method: str, chosen: str | None, given: Settings) -> DistillConfig:
    """Put a configuration together: what is given, else the preset, else the method's default.

    What is given as None counts as not given. Raises RequestError for what cannot be.
    """
    if chosen is not None and "inversion" not in (method, given.get("mix")):
        raise RequestError(f"--preset {chosen}: is for --method inversion, not for '{method}'")
    settings: dict[str, Any] = {"method": method, **METHOD_SETTINGS.get(method, {})}
    settings |= preset(chosen).settings if chosen is not None else {}
    settings |= {name: value for name, value in given.items() if value is not None}
    drawing = {field.name for field in fields(InversionConfig)}
    inversion = {name: settings.pop(name) for name in drawing & settings.keys()}
    return DistillConfig(**settings, inversion=InversionConfig(**inversion))


def default_of(name: str) -> str:
    """Say what a setting is by default, and for which methods it is something else."""
    config = DistillConfig()
    value = getattr(config.inversion if hasattr(config.inversion, name) else config, name)
    others: dict[Any, list[str]] = {}
    for method, settings in METHOD_SETTINGS.items():
        if name in settings:
            others.setdefault(settings[name], []).append(method)
    parts = [f"{other}: {', '.join(methods)}" for other, methods in others.items()]
    return f"[default: {'; '.join([str(value), *parts])}]"
