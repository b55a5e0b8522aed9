from tests.storage.fuzz_tfjs import run


def test_damaged_models_of_tensorflow_js_are_refused_or_hold_a_model() -> None:
    report = run(count=25, seed=2020)
    assert not report.failures
    assert report.counts["tfjs", "refused"] > 5
