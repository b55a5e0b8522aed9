import json
from pathlib import Path

import jsonschema
import pytest

from kextract.display.files import MetricsFile
from kextract.records import EpochRecord
from tests.schema import SCHEMAS, check


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_one_says_what_it_is_of_and_is_in_the_docs(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert schema["title"]
    assert f"(schemas/{path.name})" in (SCHEMAS.parent / "json.md").read_text()


@pytest.mark.parametrize("line", [{"event": "begin"}, {"event": "epoch", "epoch": 1}])
def test_a_line_that_is_none_of_the_events_is_found(line: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(line, "run")


def test_lines_of_a_metrics_file_fit_their_schema(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    listener = MetricsFile(path)
    listener.epoch(EpochRecord(0))
    listener.epoch(EpochRecord(1, 1.5, 0.5, 0.25, 0.75, 0.125, 12.5, {"class_shares/0": 0.9}))
    for line in path.read_text().splitlines():
        check(json.loads(line), "metrics")
