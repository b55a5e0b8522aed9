from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kextract.config import DistillConfig
from kextract.config.resolve import COMMAND_LINE, ENVIRONMENT, Layer
from kextract.errors import RequestError
from kextract.runs.invoke import invoke
from tests.teachers.examples import expected, ledger, pictures, recipes


def ask(options: Mapping[str, Any], origin: str = COMMAND_LINE) -> DistillConfig:
    """Ask for a distillation with what the `origin` says."""
    given = {"teacher": "teacher.weights.h5", "method": "adversarial", **options}
    config: DistillConfig = invoke("distill", Layer(origin, given)).request.config
    return config


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"query_budget": 1000}, 250),
        # 1.25 * 50,000 / 64 = 976.6
        ({"query_budget": 50_000}, 977),
        ({"query_budget": 50_000, "batch_size": 128}, 489),
        # 0.8 * 50,000 / 64
        ({"query_budget": 50_000, "access": "labels"}, 625),
        ({"query_budget": 50_000, "steps_per_epoch": 7}, 7),
    ],
)
def test_updates_follow_the_number_of_questions(options: Mapping[str, Any], steps: int) -> None:
    assert ask({"method": "queries", **options}).steps_per_epoch == steps


def test_updates_follow_the_answers_of_a_ledger_that_nothing_is_added_to(tmp_path: Path) -> None:
    with ledger(tmp_path, budget=400) as full:
        full.ask(recipes(pictures(400)))
        full.send(400)
        full.answer(expected(pictures(400)))
    options = {"method": "queries", "query_budget": 0, "ledger": full.path, "batch_size": 1}
    assert ask(options).steps_per_epoch == 500


@pytest.mark.parametrize(
    ("method", "mix", "name", "owners"),
    [
        ("random", None, "warm_up", "inversion"),
        (
            "random",
            None,
            "shift",
            "shapes or leaves or scenes or inversion or queries or surrogate or real",
        ),
        ("inversion", None, "candidates", "shapes"),
        ("inversion", "shapes", "noise_iterations", "adversarial"),
    ],
)
def test_an_option_of_another_method_is_refused(
    method: str, mix: str | None, name: str, owners: str
) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(
        RequestError, match=f"^{flag} 3: is for --method {owners}, not for '{method}"
    ):
        ask({"method": method, "mix": mix, name: 3})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"method": "inversion", "temperature": 2.0},
            "--temperature 2.0: needs --distance kl, found l1; add it, or leave --temperature",
        ),
        (
            {"recipe": "article", "distance": "l1"},
            "--distance l1: needs --recipe corrected, found article",
        ),
        ({"method": "queries", "query_budget": 0}, "--query-budget 0: needs --ledger"),
        ({"mix_share": 0.5}, "--mix-share 0.5: needs --mix; add it, or leave --mix-share out"),
        ({"mix": "adversarial"}, "--mix adversarial: is --method already; name another method"),
        ({"mix": "random", "mix_share": 0.001}, "--mix-share 0.001: leaves one of the methods"),
        (
            {"minutes": 3.0, "epochs": 2},
            "--minutes and --epochs exclude each other: --minutes fits the updates; leave one of",
        ),
        ({"method": "surrogate"}, "--method surrogate: needs --images"),
        (
            {"images": "mnist"},
            "--images mnist: is for --method queries or surrogate, not for 'adversarial'",
        ),
        (
            {"method": "queries", "questions": "images"},
            "--questions images: needs --images, the name of a data set",
        ),
        (
            {"method": "queries", "questions": "shapes", "images": "mnist"},
            "--questions shapes: does not use --images mnist; leave one of them out",
        ),
        (
            {"method": "queries", "match": "features"},
            "--match features: of a teacher that is asked under a budget only outputs are seen",
        ),
    ],
)
def test_an_option_that_another_one_makes_meaningless_is_refused(
    options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(RequestError, match=f"^{says}"):
        ask(options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"images": "mnist"}, "--images mnist: needs --against; add it, or leave --images out"),
        ({"min_agreement": 0.9}, "--min-agreement 0.9: needs --against; add it"),
        (
            {"images": "mnist", "dataset": "mnist", "against": "t.onnx"},
            "--images and --dataset exclude each other: leave one of them out",
        ),
        (
            {"images": "mnist", "min_accuracy": 0.0, "against": "t.onnx"},
            "--min-accuracy and --images exclude each other: --images have no labels, --min-a",
        ),
    ],
)
def test_options_of_other_commands_are_held_to_each_other(
    options: Mapping[str, Any], says: str
) -> None:
    for origin in (COMMAND_LINE, ENVIRONMENT):
        with pytest.raises(RequestError, match=f"^{says}"):
            invoke("evaluate", Layer(origin, {"checkpoints": ("x.onnx",), **options}))


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({"recipe": "article"}, "adversarial"),
        ({"images": "mnist"}, "surrogate"),
        ({"images": "mnist", "access": "labels"}, "queries"),
        ({"preset": "photos"}, "inversion"),
        ({"query_budget": 9}, "queries"),
    ],
)
def test_options_that_only_some_methods_have_a_use_for_choose_one(
    options: dict[str, Any], method: str
) -> None:
    assert ask(options | {"method": "auto"}).method == method


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "leaves"}, "auto"),
        ({"method": "inversion", "preset": "photos"}, "auto"),
        ({"method": "leaves", "distance": "l1"}, "logits"),
        ({"method": "leaves", "temperature": 8.0}, "logits"),
        ({"method": "leaves", "distance": "l1", "match": "maps"}, "maps"),
        ({"method": "inversion", "preset": "fast"}, "logits"),
        ({"method": "queries"}, "logits"),
        ({"method": "adversarial"}, "logits"),
    ],
)
def test_whoever_says_how_logits_are_compared_has_them_compared(
    options: dict[str, Any], match: str
) -> None:
    assert ask(options).match == match
