import numpy as np

from kextract.transfer.queries.targets import sampling, target_logits


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def test_the_softmax_of_the_targets_is_what_the_teacher_said() -> None:
    said = np.array([[0.7, 0.2, 0.1], [0.01, 0.01, 0.98]], np.float32)
    logits = target_logits(said, "probabilities", 3)
    np.testing.assert_allclose(softmax(logits), said, rtol=1e-5)


def test_the_logits_of_an_image_sum_to_0() -> None:
    said = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]], np.float32)
    for kind in ("probabilities", "logits"):
        np.testing.assert_allclose(target_logits(said, kind, 3).sum(axis=1), 0, atol=1e-5)


def test_a_probability_that_was_rounded_to_0_is_half_of_the_least_that_was_said() -> None:
    said = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]], np.float32)
    logits = target_logits(said, "probabilities", 3)
    np.testing.assert_allclose(logits[0, 1] - logits[0, 0], np.log(0.25 / 0.125), rtol=1e-5)


def test_certainty_is_no_infinity() -> None:
    said = np.eye(3, dtype=np.float32)
    assert np.all(np.isfinite(target_logits(said, "probabilities", 3)))


def test_labels_keep_nine_tenths_and_share_the_rest_with_all_classes() -> None:
    logits = target_logits(np.array([2, 0], np.int32), "labels", 4)
    expected = np.full((2, 4), 0.025) + 0.9 * np.eye(4)[[2, 0]]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-5)


def test_each_label_is_drawn_as_often_however_rare_it_is() -> None:
    found = np.array([0, 0, 0, 0, 1, 3, 3])
    likely = sampling(found, "labels")
    assert likely is not None
    for label in (0, 1, 3):
        np.testing.assert_allclose(likely[found == label].sum(), 1 / 3)


def test_questions_with_probabilities_are_drawn_alike() -> None:
    assert sampling(np.array([0, 0, 1]), "probabilities") is None
