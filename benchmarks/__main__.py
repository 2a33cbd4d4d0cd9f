"""``python -m benchmarks``: everything in quick sizes, ``FULL=1`` in full ones, ``ONLY=name`` one of either, or
all whose names begin so."""

import argparse
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from fnmatch import fnmatchcase

from benchmarks.lines import Line, tell
from benchmarks.place import Place, made
from handoff.environment import ROOT, state_of

#: What each module measures, by the names it prints; they run in this order.
MODULES = {
    "mapping": ("mapping_csv",),
    "hl7_messages": ("hl7_build", "hl7_parse"),
    "fhir_bundles": ("fhir_build",),
    "bulk_files": ("bulk_validate",),
    "intake": ("intake_c1", "intake_c16", "intake_c64"),
    "claim": ("claim_*",),
    "store_bytes": ("store_bytes",),
    "find": ("find_*",),
    "drain_single": ("drain_single_instant", "drain_single_50ms"),
    "poison": ("poison",),
    "consultations": ("consultations_page", "consultations_report"),
    "sync_pull": ("sync_pull", "sync_pull_50ms"),
    "lane_runs": (
        "drain_batch",
        "latency_warm_p50",
        "latency_warm_p99",
        "latency_cold_p50",
        "run_per_message",
    ),
    "million": ("million", "million_50k"),
}

NAMES = "There are " + ", ".join(name for names in MODULES.values() for name in names) + "."


def modules(only: str) -> list[str]:
    """Those that print the wanted name; ends with the names there are when none does."""
    found = [
        module
        for module, names in MODULES.items()
        if not only or any(fnmatchcase(only, name) or name.startswith(f"{only}_") for name in names)
    ]
    if not found:
        raise SystemExit(f"ONLY={only}: no measurement has this name. {NAMES}")
    return found


def lines(place: Place, module: str) -> Iterator[Line]:
    """What a module measures, of that what is wanted, in an empty store."""
    began = time.monotonic()
    tell(f"{module} ...")
    place.empty()
    measure = importlib.import_module(f"benchmarks.{module}").measure
    yield from (line for line in measure(place) if place.wants(line.bench))
    tell(f"{module}: {time.monotonic() - began:.0f} s")


def main() -> int:
    """Print a line as soon as it is known; 1 when a measurement failed or the wanted one did not come."""
    argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=NAMES).parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    only, full = os.environ.get("ONLY", ""), bool(os.environ.get("FULL"))
    wanted = modules(only)
    printed = failed = 0
    with made(state_of(ROOT), full=full, only=only) as place:
        for module in wanted:
            try:
                for line in lines(place, module):
                    print(json.dumps(line.members()), flush=True)
                    printed += 1
            except Exception:  # the other measurements are worth having all the same
                traceback.print_exc()
                failed += 1
    if not printed and not failed:
        tell(f"{only} is measured in the other size: {'without' if full else 'with'} FULL=1")
    return 0 if printed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
