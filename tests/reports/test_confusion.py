import numpy as np

from kextract.reports.confusion import confusion_of


def test_rows_are_true_classes_and_columns_predictions() -> None:
    labels, predictions = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 2])
    found = confusion_of(predictions, labels, ("a", "b", "c"))
    assert found.counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
