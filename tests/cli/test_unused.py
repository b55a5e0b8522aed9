import pytest

from kextract.cli.unused import refuse_unused
from kextract.config import DistillConfig
from kextract.errors import RequestError
from kextract.presets import distill_config


@pytest.mark.parametrize(
    ("method", "mix", "name", "owners"),
    [
        ("random", None, "warm_up", "inversion"),
        ("random", None, "shift", "shapes or inversion or surrogate or real"),
        ("inversion", None, "candidates", "shapes"),
        ("inversion", "shapes", "noise_iterations", "adversarial"),
    ],
)
def test_an_option_of_another_method_is_refused(
    method: str, mix: str | None, name: str, owners: str
) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(RequestError, match=f"^{flag}: is for --method {owners}, not for '{method}"):
        refuse_unused({name}, DistillConfig(method=method, mix=mix))


@pytest.mark.parametrize(
    ("config", "name", "says"),
    [
        (distill_config("inversion", None, {}), "temperature", "softens --distance kl, .* is l1;"),
        (DistillConfig(recipe="article"), "temperature", "is for the corrected recipe, not for --"),
        (DistillConfig(recipe="article"), "distance", "is for the corrected recipe, not for --rec"),
        (DistillConfig(), "mix_share", "is the share of a second method; name it with --mix"),
    ],
)
def test_an_option_that_another_one_makes_meaningless_is_refused(
    config: DistillConfig, name: str, says: str
) -> None:
    with pytest.raises(RequestError, match=f"^--{name.replace('_', '-')}: {says}"):
        refuse_unused({name}, config)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (DistillConfig(), {"epochs", "temperature", "noise_iterations", "recipe"}),
        (DistillConfig(method="random", mix="inversion"), {"warm_up", "shift", "mix_share"}),
        (DistillConfig(method="real"), {"shift", "flip"}),
        (distill_config("inversion", "fast", {}), {"temperature", "preset"}),
    ],
)
def test_what_plays_a_part_is_not(config: DistillConfig, names: set[str]) -> None:
    refuse_unused(names, config)
