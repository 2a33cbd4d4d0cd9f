"""``make drills``: faults, outages, kills, on a whole Handoff of their own; one JSON object a line.

``ONLY=name`` plays one. Everything here takes minutes: what can be shown in seconds stands in the tests.
"""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks import (
    drills_bulk,
    drills_canary,
    drills_days,
    drills_elation,
    drills_faults,
    drills_hcoint,
    drills_kills,
    drills_openmrs,
)

DRILLS: dict[str, Callable[[], dict[str, Any]]] = {
    "faults": drills_faults.everything_at_once,
    "kills": drills_kills.one_after_the_other,
    "two_drains": drills_kills.two_drains,
    "deploy": drills_kills.a_changed_mapping,
    "days": drills_days.an_outage_longer_than_the_plan,
    "uploads": drills_hcoint.uploads_beside_orders,
    "bulk": drills_bulk.the_largest_file,
    "canary": drills_canary.nothing_of_a_patient,
    "elation_storm": drills_elation.in_order_once_and_whole,
    "elation_away": drills_elation.an_hour_away,
    "elation_two_runs": drills_elation.two_runs,
    "openmrs_days": drills_openmrs.three_days,
    "openmrs_months": drills_openmrs.months,
}


def main() -> int:
    """Play them; 1 when one fails or there is none of that name."""
    names = f"There are {', '.join(DRILLS)}."
    argparse.ArgumentParser(
        prog="python -m benchmarks.drills", description=__doc__, epilog=names
    ).parse_args()
    only = os.environ.get("ONLY")
    if only and only not in DRILLS:
        print(f"error: ONLY={only}: no drill has this name. {names}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _end)
    held = [play(name, drill) for name, drill in DRILLS.items() if not only or name == only]
    return 0 if all(held) else 1


def _end(*_: object) -> None:
    """Asked to end: what was started is stopped first, however often one asks."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def play(name: str, drill: Callable[[], dict[str, Any]]) -> bool:
    """One drill and its line."""
    started = time.monotonic()
    try:
        said: dict[str, Any] = {"ok": True, **drill()}
    except Exception as error:
        traceback.print_exc()
        said = {"ok": False, "why": str(error) or type(error).__name__}
    print(json.dumps({"drill": name, **said, "seconds": round(time.monotonic() - started, 1)}), flush=True)
    return bool(said["ok"])


if __name__ == "__main__":
    sys.exit(main())
