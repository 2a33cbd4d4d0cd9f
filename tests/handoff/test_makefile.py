"""The developer interface on machines unlike this one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(folder: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    shutil.copy(MAKEFILE, folder)
    (folder / "requirements.lock").touch()
    (folder / "pyproject.toml").touch()
    program = shutil.which("make") or "make"
    return subprocess.run((program, *words), cwd=folder, env={"PATH": path}, capture_output=True, text=True)


def test_make_alone_explains_every_target(tmp_path: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.M)
    assert phony
    explained = [line.split()[0] for line in make(tmp_path).stdout.splitlines()]
    assert sorted(explained) == sorted([*phony[1].split(), ".venv"])


def test_the_newest_python_that_is_really_there_is_taken(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (
        ("python3.13", "#!/bin/sh\necho 'a shim for a version that is not installed' >&2\nexit 127\n"),
        ("python3.12", f'#!/bin/sh\nexec {sys.executable} "$@"\n'),
        ("python3", "#!/bin/sh\nexit 1\n"),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    shown = make(tmp_path, "--eval", "show: ; @/bin/echo $(PYTHON)", "show", path=str(tools))
    assert shown.stdout.split() == ["python3.12"]


def test_without_a_python_the_package_that_is_missing_is_named(tmp_path: Path) -> None:
    made = make(tmp_path, "PYTHON=", ".venv")
    assert made.returncode != 0
    assert "apt-get install python3-venv" in made.stderr
    assert not (tmp_path / ".venv").exists()
