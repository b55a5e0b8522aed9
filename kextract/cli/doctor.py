"""What is installed and what a run would find here: for `kextract doctor`."""

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from kextract.datasets.names import DATASETS
from kextract.errors import install_extra
from kextract.runtime import keras_json

Status = Literal["ok", "optional", "problem"]
NEEDED = ("tensorflow", "keras", "numpy", "h5py", "typer", "rich", "pillow", "filelock")
EXTRAS = {
    "plots": ("matplotlib",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "tflite": ("ai-edge-litert",),
    "tensorboard": ("tensorboard", "pkg_resources"),
}
USES = {
    "plots": "compare --plot and report",
    "onnx": "export to ONNX",
    "tflite": "running exported TFLite models",
    "tensorboard": "looking at what --tensorboard writes",
}
PYTHONS = ((3, 11), (3, 13))
"""The oldest and the newest Python that kextract is tested with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine."""

    what: str
    found: str
    status: Status = "ok"
    advice: str = ""
    """How to get what is missing; "" where nothing is."""


def versions() -> dict[str, str]:
    """Give the versions of kextract, TensorFlow and Keras without importing them."""
    return {name: _version(name) or "missing" for name in ("kextract", "tensorflow", "keras")}


def diagnose(
    data_dir: Path | None, devices: "Callable[[], Sequence[Finding]] | None" = None
) -> list[Finding]:
    """Look at everything that a run depends on; nothing is changed and nothing downloaded.

    `devices` says what TensorFlow computes on; by default TensorFlow is started for it, which
    takes seconds.
    """
    return [
        *_programs(),
        *_extras(),
        *_surroundings(),
        *(devices or find_devices)(),
        *_data(data_dir),
    ]


def find_devices() -> list[Finding]:
    """Start TensorFlow and say what it computes on, and whether bfloat16 is native there."""
    try:
        from kextract import runtime

        runtime.start()
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        names = [device.name.removeprefix("/physical_device:") for device in devices]
        precision = runtime.resolve_precision("auto")
    except Exception as error:  # whatever a broken installation raises is what is to be told
        why = " ".join(str(error).split())[:200] or type(error).__name__
        advice = "reinstall it: pip install --force-reinstall tensorflow"
        return [Finding("devices", f"TensorFlow does not start: {why}", "problem", advice)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    native = precision == "bfloat16"
    return [
        Finding("devices", ", ".join(names)),
        Finding("processor cores", str(cores)),
        Finding(
            "bfloat16",
            "native: --precision auto computes in it" if native else "not native",
            "ok" if native else "optional",
            "" if native else "float32 is used, at about half the speed; nothing to do",
        ),
    ]


def _programs() -> list[Finding]:
    oldest, newest = PYTHONS
    supported = oldest <= sys.version_info[:2] <= newest
    advice = f"use Python {'.'.join(map(str, oldest))} to {'.'.join(map(str, newest))}"
    findings = [
        Finding("kextract", _version("kextract") or "not installed, run from its source"),
        Finding(
            "python",
            platform.python_version(),
            "ok" if supported else "problem",
            "" if supported else advice,
        ),
        Finding("system", f"{platform.system()} {platform.machine()}"),
    ]
    for name in NEEDED:
        found = _version(name)
        findings.append(
            Finding(name, found)
            if found
            else Finding(name, "missing", "problem", f"pip install {name}")
        )
    return findings


def _extras() -> list[Finding]:
    findings = []
    for extra, packages in EXTRAS.items():
        found = {name: _installed(name) for name in packages}
        text = ", ".join(f"{name} {known or 'missing'}" for name, known in found.items())
        if all(found.values()):
            findings.append(Finding(f"extra '{extra}'", text))
        else:
            advice = f"for {USES[extra]}: {install_extra(extra)}"
            findings.append(Finding(f"extra '{extra}'", text, "optional", advice))
    return findings


def _surroundings() -> list[Finding]:
    """Look at what was set or made for, or by, something else and bears on a run."""
    findings = []
    settings = keras_json()
    try:
        found = json.loads(settings.read_bytes())
        others = [
            f"{name} {found[name]}"
            for name, ours in (("image_data_format", "channels_last"), ("floatx", "float32"))
            if found.get(name, ours) != ours
        ]
        advice = "for other programs: kextract computes channels_last, in float32 or bfloat16"
        text = f"{', '.join(others)}, in {settings}" if others else str(settings)
        findings.append(Finding("keras settings", text, advice=advice if others else ""))
    except FileNotFoundError:
        findings.append(Finding("keras settings", "none"))
    except (OSError, ValueError, AttributeError) as error:
        why = f"{settings} cannot be read ({error})"
        findings.append(Finding("keras settings", why, "problem", "correct or remove that file"))
    backend = os.environ.get("KERAS_BACKEND", "")
    if backend not in ("", "tensorflow"):
        advice = "for other programs: kextract computes with tensorflow"
        findings.append(Finding("KERAS_BACKEND", backend, advice=advice))
    if Path("~").is_dir():
        advice = "made by a program that did not expand it; look into './~' before removing it"
        findings.append(Finding("folder '~'", str(Path.cwd() / "~"), "optional", advice))
    return findings


def _data(data_dir: Path | None) -> list[Finding]:
    from kextract.datasets.loading import cache_folder

    findings = []
    if data_dir is None:
        advice = "set KEXTRACT_DATA or pass --data-dir to read NAME.npz from a folder"
        findings.append(Finding("data folder", "none given", "optional", advice))
    elif data_dir.is_dir():
        findings.append(Finding("data folder", str(data_dir)))
    else:
        advice = "correct KEXTRACT_DATA or --data-dir"
        findings.append(Finding("data folder", f"{data_dir}: no such folder", "problem", advice))
    cache = cache_folder()
    for name, spec in DATASETS.items():
        findings.append(_dataset(name, spec.generate is not None, data_dir, cache))
    return findings


def _dataset(name: str, generated: bool, data_dir: Path | None, cache: Path) -> Finding:
    what = f"data set '{name}'"
    if generated:
        return Finding(what, "generated, always there")
    if data_dir is not None and (data_dir / f"{name}.npz").is_file():
        return Finding(what, str(data_dir / f"{name}.npz"))
    if any(cache.glob(f"{name}[.-]*")):
        return Finding(what, f"downloaded to {cache}")
    return Finding(what, "not here", "optional", "downloaded when it is first used")


def _installed(name: str) -> str | None:
    if name == "pkg_resources":  # a part of setuptools, up to version 80
        return _version("setuptools") if find_spec(name) else None
    return _version(name)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
