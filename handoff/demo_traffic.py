"""The sample traffic of the demo: what senders send, made by ``sandbox.samples`` and sent through the doors."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handoff import environment
from handoff.supervisor import SupervisorError


@dataclass(frozen=True)
class Stage:
    """Where the demo plays: the settings of all services, and where they listen."""

    settings: Mapping[str, str]
    web: str
    sandbox: str


def samples(lane: str, source: str, count: int, *, setting: str, batch: int = 1) -> Callable[[Stage], None]:
    """Send so many sample events of a source through the lane's door."""

    def send(stage: Stage) -> None:
        value = stage.settings[setting].split(",")[0]
        made(lane, source, count, "--to", stage.web, "--token", value, "--batch", str(batch))

    return send


def orders(stage: Stage) -> None:
    """Orders over Redox and over HL7 v2."""
    samples("hcoint", "redox", 6, setting="REDOX_VERIFICATION_TOKENS")(stage)
    port = environment.port(stage.settings, "HANDOFF_MLLP_PORT")
    made("hcoint", "northlab", 4, "--to", f"mllp://127.0.0.1:{port}")


def made(lane: str, source: str, count: int, *more: str) -> str:
    """What the maker of samples prints: the events themselves, where it is not told to send them."""
    words = [sys.executable, "-m", "sandbox.samples", source, "--count", str(count), *more]
    done = subprocess.run(  # noqa: S603 - our own words
        words, cwd=environment.ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise SupervisorError(f"the sample events of {lane} were not taken: {done.stderr.strip()[-300:]}")
    return done.stdout
