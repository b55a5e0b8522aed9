"""Refuses options that were typed and would play no part in the run."""

from collections.abc import Collection

import typer

from kextract.config import DistillConfig
from kextract.errors import RequestError
from kextract.transfer import METHODS, method_specs


def typed(context: typer.Context) -> set[str]:
    """Name the parameters that were typed; what the environment says is meant for many runs."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def refuse_unused(names: Collection[str], config: DistillConfig) -> None:
    """Raise RequestError for a parameter of `kextract distill` that the rest makes meaningless."""
    methods = method_specs(config)
    for name in sorted(names):
        owners = [method for method, spec in METHODS.items() if name in spec.options]
        if owners and not methods.keys() & owners:
            raise RequestError(
                f"--{name.replace('_', '-')}: is for --method {' or '.join(owners)}, not for"
                f" '{' and '.join(methods)}'; leave it out"
            )
        if name in ("distance", "temperature") and config.recipe != "corrected":
            raise RequestError(
                f"--{name}: is for the corrected recipe, not for --recipe {config.recipe};"
                " leave it out"
            )
    if "temperature" in names and config.distance != "kl":
        raise RequestError(
            f"--temperature: softens --distance kl, and the distance is {config.distance}; leave it"
            " out, or add --distance kl"
        )
    if "mix_share" in names and config.mix is None:
        raise RequestError("--mix-share: is the share of a second method; name it with --mix")
