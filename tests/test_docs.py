"""What README, docs and their JSON schemas say is what the program does.

`python -m tests.test_docs` writes the list of options in docs/commands.md anew.
"""

import json
import re
import shlex
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kextract.config import DistillConfig
from kextract.config.option import flag, table
from kextract.config.requests import REQUESTS
from kextract.display.files import MetricsFile
from kextract.methods import METHODS
from kextract.records import EpochRecord
from kextract.runs.invoke import FOLLOWING
from kextract.storage import read_info
from tests.cli.program import kextract, kextract_process
from tests.common import SCHEMAS, check

ROOT = Path(__file__).parents[1]
OPTIONS = ROOT / "docs" / "commands.md"
GENERATED = "## Every option"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "checkpoints" / "README.md"]
COMMANDS = (
    *("quickstart", "train-teacher", "distill", "synthesize"),
    *("export", "evaluate", "predict", "compare", "report", "inspect", "list", "doctor"),
)

SHORT = {
    "KEXTRACT_TRAIN_TEACHER_LIMIT": "100",
    "KEXTRACT_TRAIN_TEACHER_MODEL": "lenet5",
    "KEXTRACT_DISTILL_STUDENT": "lenet5",
    "KEXTRACT_DISTILL_EPOCHS": "12",
    "KEXTRACT_DISTILL_STEPS_PER_EPOCH": "1",
    "KEXTRACT_DISTILL_BATCH_SIZE": "4",
    "KEXTRACT_DISTILL_NOISE_ITERATIONS": "2",
    "KEXTRACT_DISTILL_GENERATOR_CHANNELS": "2",
    "KEXTRACT_DISTILL_WARM_UP": "2",
    "KEXTRACT_DISTILL_GENERATOR_STEPS": "1",
    "KEXTRACT_DISTILL_SYNTHESIS_BATCH_SIZE": "20",
    "KEXTRACT_DISTILL_NEW_IMAGES": "20",
    "KEXTRACT_DISTILL_FIRST_IMAGES": "20",
    "KEXTRACT_SYNTHESIZE_STEPS": "2",
    "KEXTRACT_SYNTHESIZE_PER_CLASS": "2",
    "KEXTRACT_SYNTHESIZE_SYNTHESIS_BATCH_SIZE": "20",
    "https_proxy": "http://127.0.0.1:9",
}
"""Makes runs short and data sets unavailable, by options that the commands leave open."""


def readme_commands() -> list[str]:
    """List the commands of the README's shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def reference() -> str:
    """Give the generated part of docs/commands.md: every option's name, and defaults by method."""
    commands = [f"### {command}\n\n{options_of(command)}\n" for command in COMMANDS]
    return "\n".join([f"{GENERATED}\n", *commands, defaults_by_method()])


def options_of(command: str) -> str:
    """List the options of a command that not every command has, a line for each panel."""
    panels: dict[str, list[str]] = {}
    for entry in table(REQUESTS[command]).values():
        panels.setdefault(entry.option.panel, []).append(entry.flag)
    return "\n".join(
        f"- {panel}: {', '.join(f'`{name}`' for name in names)}" for panel, names in panels.items()
    )


@cache
def options_that_exist() -> set[str]:
    """Give every word that some command takes as an option."""
    entries = [entry for cls in REQUESTS.values() for entry in table(cls).values()]
    everywhere = re.findall(r"--[a-z-]+", kextract("list", "--help-all").stdout)
    program = re.findall(r"--[a-z-]+", kextract("--help").stdout)
    names = {name for entry in entries for name in (entry.flag, entry.off)}
    return names | {"--preprocessing", *everywhere, *program}


def defaults_by_method() -> str:
    """Give the table of options whose default is not the same for all methods."""
    entries = table(DistillConfig)
    names = [name for name in entries if any(name in spec.defaults for spec in METHODS.values())]
    columns: dict[tuple[Any, ...], list[str]] = {}
    for method, spec in METHODS.items():
        values = tuple(spec.defaults.get(name, entries[name].default) for name in names)
        columns.setdefault(values, []).append(method)
    rows = [
        ["option", *(", ".join(methods) for methods in columns.values())],
        ["---"] * (1 + len(columns)),
        *([f"`{flag(name)}`", *map(str, row)] for name, *row in zip(names, *columns, strict=True)),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["## Defaults by method\n", *lines, ""]) + following_defaults()


def following_defaults() -> str:
    """Give the table of defaults that follow from other options."""
    rows = [
        f"| {each.origin} | {', '.join(f'`{flag(k)} {v}`' for k, v in each.values.items())} |"
        for each in FOLLOWING
    ]
    heading = ["\nOthers follow from what else is given:\n", "| with | default |", "| --- | --- |"]
    return "\n".join([*heading, *rows, ""])


def test_docs_list_the_options_and_defaults_that_there_are() -> None:
    assert GENERATED + OPTIONS.read_text().split(GENERATED)[1] == reference()


@pytest.mark.parametrize("command", COMMANDS)
def test_docs_list_the_options_that_the_help_of_a_command_lists(command: str) -> None:
    """Read off the page that the program prints, not off the tables that both are made from."""
    section = OPTIONS.read_text().split(f"### {command}\n")[1].split("#")[0]
    shown = kextract(command, "--help-all", COLUMNS="200").stdout
    listed = re.findall(r"^  (?:-\w, )?(--[a-z][a-z0-9-]*)", shown, re.MULTILINE)
    everywhere = {"--config", "--dry-run", "--debug", "--help-all", "--help"}
    assert set(re.findall(r"`(--[^`]+)`", section)) | everywhere == set(listed) | everywhere


def test_the_docs_have_the_defaults_of_two_methods() -> None:
    """Read off the registry by a reader, not by the code that writes the table."""
    text = OPTIONS.read_text()
    assert "| option | random, adversarial | shapes, inversion, surrogate, real |" in text
    assert "| `--learning-rate` | 0.0001 | 0.01 | 0.015 | 0.01 |" in text


def test_the_readme_begins_with_its_two_commands() -> None:
    assert readme_commands()[:2] == ["uv run kextract quickstart", "uv run pytest"]


LONG = ("quickstart", "train-teacher", "distill", "synthesize", "export")
"""Commands that are understood in the default run, and done in the slow one."""
OF_README = [line for line in readme_commands() if line.startswith("uv run kextract")]
WHOLE = [
    pytest.param(command, True, marks=pytest.mark.slow)
    for command in OF_README
    # The quickstart is done by the test after this one.
    if command.split()[3] in LONG[1:]
]


@pytest.mark.usefixtures("_few_strokes")
@pytest.mark.parametrize(
    ("command", "whole"), [*((command, False) for command in OF_README), *WHOLE]
)
def test_every_command_of_the_readme_runs(command: str, whole: bool, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    words = []
    for word in shlex.split(command.removeprefix("uv run kextract")):
        matches = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob(word))
        words += matches if "*" in word else [word]
    if words[0] in LONG and not whole:
        words.append("--dry-run")

    done = kextract(*words, cwd=tmp_path, KERAS_HOME=str(tmp_path / "keras"), **SHORT)

    assert done.code == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
def test_quickstart_shows_what_noise_cannot_do_and_drawn_images_can(tmp_path: Path) -> None:
    """The whole of it, as a reader's first command runs it."""
    done = kextract_process("quickstart", cwd=tmp_path)
    assert done.code == 0, done.stderr
    teacher, random, adversarial, shapes, inversion = (
        accuracy_on_test_images(tmp_path / "checkpoints" / f"quickstart-{name}.weights.h5")
        for name in ("teacher", "random", "adversarial", "shapes", "inversion")
    )
    assert teacher > 0.95
    assert max(random, adversarial) < 0.7
    assert shapes > 0.7
    assert inversion > 0.85
    assert (tmp_path / "checkpoints" / "quickstart.png").exists()


def accuracy_on_test_images(checkpoint: Path) -> float:
    """Return the accuracy on test images that a checkpoint tells."""
    info = read_info(checkpoint)
    assert info is not None
    return info.test["accuracy"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", page.read_text()):
        target = page.parent / link if link else page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
        slugs = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not anchor or anchor in slugs, (link, anchor)


@pytest.mark.parametrize(
    ("page", "folder"), [("architecture", "kextract"), ("reliability", "tests")]
)
def test_files_of_the_code_that_a_page_names_exist(page: str, folder: str) -> None:
    there = [f"/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.*")]
    text = (ROOT / "docs" / f"{page}.md").read_text()
    named = re.findall(r"`((?:[\w.]+/)*\w+\.(?:py|toml|j2))`", text)
    assert named
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_architecture_lists_every_room_with_files_of_its_own() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text().split("\n## ")[0]
    rooms: set[str] = set()
    for row in re.findall(r"^\| (`.*)", page, re.MULTILINE):
        names, about = row.split(" | ")
        rooms |= {*re.findall(r"`([^`]+)`", names)}
        if names.endswith("/`"):
            inside = ROOT / "kextract" / names.strip("`")
            assert [
                each for each in re.findall(r"`(\w+\.py)`", about) if not (inside / each).exists()
            ] == []
    package = [path for path in (ROOT / "kextract").iterdir() if not path.name.startswith("__")]
    folders = {f"{path.name}/" for path in package if path.is_dir()}
    assert rooms == folders | {path.name for path in package if path.suffix == ".py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_are_mentioned_exist(page: Path) -> None:
    # Other programs, such as the fuzzer, have options of their own.
    others = ("python -m", "uv sync", "parallel --")
    lines = page.read_text().splitlines()
    text = "\n".join(line for line in lines if not any(name in line for name in others))
    mentioned = re.findall(r"(?<![\w-])--[a-z][a-z-]+(?=[^\w-])", text)
    assert set(mentioned) - options_that_exist() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_take_the_options_that_they_are_given(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    every = {"--config", "--dry-run", "--debug", "--help-all", "--help"}
    for command, words in re.findall(rf"kextract ({'|'.join(COMMANDS)})\b([^`\n#]*)", text):
        known = {
            name for entry in table(REQUESTS[command]).values() for name in (entry.flag, entry.off)
        }
        given = {*re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", words)}
        assert given - known - every == set(), command


if __name__ == "__main__":
    OPTIONS.write_text(OPTIONS.read_text().split(GENERATED)[0] + reference())


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_one_says_what_it_is_of_and_is_in_the_docs(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert schema["title"]
    assert f"(schemas/{path.name})" in (SCHEMAS.parent / "json.md").read_text()


def test_lines_of_a_metrics_file_fit_their_schema(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    listener = MetricsFile(path)
    listener.epoch(EpochRecord(0))
    listener.epoch(EpochRecord(1, 1.5, 0.5, 0.25, 0.75, 0.125, 12.5, {"class_shares/0": 0.9}))
    for line in path.read_text().splitlines():
        check(json.loads(line), "metrics")
