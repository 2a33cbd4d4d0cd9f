"""The page's recipe for a fifth event type, followed to the letter in a folder of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.elation.charts import ANA

CLONE = Path(__file__).parents[2]
PAGE = CLONE / "docs" / "partners" / "elation.md"


def recipe() -> dict[str, list[str]]:
    """File to the lines of its change, as the page shows them."""
    shown = re.findall(r"```diff\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) == 1
    files: dict[str, list[str]] = {}
    for line in shown[0].splitlines():
        if line.startswith("--- "):
            lines = files.setdefault(line[4:], [])
        else:
            lines.append(line)
    return files


def pieces(lines: list[str]) -> list[tuple[str, str]]:
    """What to replace, and by what, for every ``@@``."""
    found: list[tuple[str, str]] = []
    for piece in "\n".join(lines).split("@@\n")[1:]:
        rows = piece.rstrip("\n").splitlines()
        before = "\n".join(row[1:] for row in rows if not row.startswith("+"))
        after = "\n".join(row[1:] for row in rows if not row.startswith("-"))
        found.append((before, after))
    return found


def changed_copy(folder: Path) -> None:
    """The assets with the recipe followed; what it replaces must be there, once."""
    shutil.copytree(CLONE / "assets", folder / "assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name, lines in recipe().items():
        text = (folder / name).read_text(encoding="utf-8")
        for before, after in pieces(lines):
            assert text.count(before) == 1, f"{name} has not what the recipe changes"
            text = text.replace(before, after)
        (folder / name).write_text(text, encoding="utf-8")


def in_copy(folder: Path, program: str) -> str:
    """What a program prints that finds the changed assets before ours."""
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(CLONE)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", paths + program], capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fifth_event_type_takes_ten_lines_in_the_lanes_folder(tmp_path: Path) -> None:
    change = recipe()
    added = [line for lines in change.values() for line in lines if re.match(r"\+.*\S", line)]
    assert len(added) <= 10
    assert all(name.startswith("assets/elation/") for name in change)

    changed_copy(tmp_path)
    event = {"event_id": "e", "event_type": "chart_closed", "resource_id": "chart-1", "data": {"chart": ANA}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    call = in_copy(
        tmp_path,
        "from pathlib import Path\n"
        "from assets.elation.calls import on_failure, owed\n"
        "from assets.elation.events import decode\n"
        "from assets.elation.mapping import Practice\n"
        "from resources.elation_api import POLICY_NAMES\n"
        "(call,) = owed(decode(Path('event.json').read_bytes()), Practice(), POLICY_NAMES)\n"
        "print(call.kind, on_failure(call.kind).value, call.address['chart'], call.body.decode())\n",
    )
    assert call == 'patient_change continue chart-1 {"patient_status":{"status":"inactive"}}\n'
    tried = in_copy(
        tmp_path,
        "import argparse\n"
        "from handoff.tries import register\n"
        "parser = argparse.ArgumentParser()\n"
        "register(parser.add_subparsers())\n"
        "arguments = parser.parse_args(['try', 'elation', 'event.json', '--check'])\n"
        "sys.exit(arguments.run(arguments))\n",
    )
    assert json.loads(tried) == {"patient": {"patient_status": {"status": "inactive"}}}
