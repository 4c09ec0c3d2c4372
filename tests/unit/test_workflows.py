"""The workflows of the public forge. Only the forge can run them; here is checked what can be read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.version import TOP

WORKFLOWS = sorted(TOP.glob(".github/workflows/*.yml"))


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [
        step for job in jobs for step in (*job.get("steps", ()), *([{"uses": job["uses"]}] if "uses" in job else ()))
    ]


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["release.yml", "test.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    for action in (step["uses"] for step in steps(path) if "uses" in step):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) or (action.startswith("./") and (TOP / action).is_file())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_targets_of_make_are_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = re.findall(r"\bmake ([a-z-]+)", " ".join(step.get("run", "") for step in steps(path)))
    assert called
    assert set(called) <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_secret_is_used_and_rights_are_given_job_by_job(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_only_the_build_for_a_tag_publishes() -> None:
    # YAML 1.1 reads the key "on" as true.
    release, test = ({str(key): value for key, value in yaml.safe_load(path.read_text()).items()} for path in WORKFLOWS)
    assert release["True"] == {"push": {"tags": ["v*"]}}
    publishing = {name for name, job in release["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert publishing == {"index", "files"}
    assert not any("permissions" in job for job in test["jobs"].values())
