import pytest

from kextract.config.resolve import COMMAND_LINE, Layer
from kextract.errors import RequestError
from kextract.methods.auto import Facts, choose_method, fit_schedule
from kextract.runs.invoke import invoke

GREY, FACE, COLOUR = (28, 28, 1), (64, 64, 1), (32, 32, 3)
EVERY_FACT = [Facts(GREY, has_batch_norm=True), Facts(COLOUR, True), Facts((16, 16, 3), False)]


@pytest.mark.parametrize(
    ("facts", "method"),
    [
        (Facts(GREY, has_batch_norm=True), "inversion"),
        (Facts(GREY, has_batch_norm=False), "leaves"),
        (Facts(FACE, has_batch_norm=True), "leaves"),
        (Facts(COLOUR, has_batch_norm=True), "leaves"),
    ],
)
def test_the_method_follows_from_the_teacher(facts: Facts, method: str) -> None:
    assert choose_method(facts).method == method


@pytest.mark.parametrize("facts", EVERY_FACT)
def test_every_choice_is_a_configuration_and_its_reason_one_line(facts: Facts) -> None:
    choice = choose_method(facts)
    options = {"method": choice.method, **choice.settings}
    given = Layer(COMMAND_LINE, {"teacher": "teacher.weights.h5", **options})
    config = invoke("distill", given).request.config
    assert config.method == choice.method
    assert config.shift < min(facts.input_shape[:2])
    assert choice.reason and "\n" not in choice.reason and not choice.reason.endswith(".")


@pytest.mark.parametrize("seconds", [0.004, 2.0])
@pytest.mark.parametrize("minutes", [0.5, 60])
def test_a_schedule_fills_the_minutes_and_does_not_exceed_them(
    seconds: float, minutes: float
) -> None:
    epochs, steps = fit_schedule(seconds, minutes, other_seconds=12)
    budget = 60 * minutes - 12
    assert epochs * steps * seconds <= budget
    # What is left over is less than one more update for every epoch.
    assert (epochs * (steps + 1)) * seconds > budget - seconds
    assert 1 <= steps <= 500


def test_a_schedule_of_few_updates_has_several_epochs_all_the_same() -> None:
    assert fit_schedule(1.0, 1) == (6, 10)


@pytest.mark.parametrize(("seconds", "other"), [(61.0, 0.0), (0.1, 60.0), (0.1, 600.0)])
def test_minutes_in_which_nothing_fits_are_refused_with_what_would_do(
    seconds: float, other: float
) -> None:
    with pytest.raises(RequestError, match=r"--minutes 1: .* or more"):
        fit_schedule(seconds, 1, other_seconds=other)
