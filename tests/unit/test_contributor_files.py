"""The files for contributors: what they name exists, and the Python versions are those that usbrh supports."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cli_reference import commands

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW = TOP / ".github" / "workflows" / "test.yml"
TARGETS = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
CLI = dict(commands())


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def steps() -> list[dict[str, Any]]:
    return [step for job in load(WORKFLOW)["jobs"].values() for step in job["steps"]]


def test_workflow_runs_every_supported_python() -> None:
    prefix = "Programming Language :: Python :: 3."
    supported = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert PROJECT["requires-python"] == f">={supported[0]}"
    jobs = load(WORKFLOW)["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == supported
    versions = [step["with"]["python-version"] for step in steps() if "setup-python" in step.get("uses", "")]
    assert versions == [supported[0], "${{ matrix.python }}"]


def test_workflow_runs_targets_of_the_makefile() -> None:
    lines = [shlex.split(step["run"]) for step in steps() if "run" in step]
    called = [words[words.index("make") + 1 :] for words in lines]
    assert called == [["lint"], ["test-quick"]]
    assert {target for targets in called for target in targets} <= TARGETS


def test_workflow_may_only_read_and_pins_its_actions() -> None:
    assert load(WORKFLOW)["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in used)
    text = WORKFLOW.read_text(encoding="utf-8")
    assert len(re.findall(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)) == len(used), "version in a comment"


def test_pre_commit_pins_the_tools_of_make_lint() -> None:
    hooks = [hook for repository in load(TOP / ".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert [hook["entry"].split()[:2] for hook in hooks] == [["ruff", "check"], ["ruff", "format"], ["mypy"]]
    for hook in hooks:
        tool = hook["entry"].split()[0]
        assert re.fullmatch(tool + r"==\d+\.\d+\.\d+", hook["additional_dependencies"][0])
    needed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    needed_names = {re.split(r"[><=; ]", requirement)[0] for requirement in needed}
    assert set(hooks[-1]["additional_dependencies"][1:]) <= needed_names


def test_bug_form_asks_for_the_diagnosis() -> None:
    form = load(TOP / ".github" / "ISSUE_TEMPLATE" / "bug.yml")
    fields = {field["id"]: field for field in form["body"] if "id" in field}
    assert "usbrh doctor --json" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]
    assert "--json" in {option for parameter in CLI["usbrh doctor"].params for option in parameter.opts}
    text = str(form)
    assert all((TOP / page).exists() for page in re.findall(r"[\w/]+\.md", text))
    assert set(re.findall(r"`(usbrh [a-z]+)", text)) <= set(CLI)


@pytest.mark.parametrize("pattern", ["*.py", "*.md", "*.toml", "*.y*ml", "Makefile"])
def test_files_follow_editorconfig(pattern: str) -> None:
    rules = configparser.ConfigParser()
    rules.read_string("[top]\n" + (TOP / ".editorconfig").read_text(encoding="utf-8"))
    assert dict(rules["*"]) == {
        "charset": "utf-8",
        "end_of_line": "lf",
        "indent_style": "space",
        "insert_final_newline": "true",
        "trim_trailing_whitespace": "true",
    }
    folders = [folder for folder in TOP.glob("[a-z]*/") if folder.name not in ("build", "dist")]
    found = [*TOP.glob(pattern), *(path for folder in [*folders, TOP / ".github"] for path in folder.rglob(pattern))]
    assert found
    for path in found:
        content = path.read_bytes().decode("utf-8")
        assert "\r" not in content, path
        assert content.endswith("\n") or not content, path
        assert not re.search(r"[ \t]$", content, re.MULTILINE), path
