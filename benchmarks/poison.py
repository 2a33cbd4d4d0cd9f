"""``poison``: how much longer 999 charts take because one of a thousand always fails. 1 is not at all."""

import statistics
import time
from collections.abc import Iterator

import uvloop

from assets.drain.run import drain_singles
from assets.elation import sending
from benchmarks import sink
from benchmarks.drain_single import configured, fill, one_request_each
from benchmarks.lines import Line, tell
from benchmarks.place import Place

CHARTS = 1_000
EACH = 5


def measure(place: Place, *, rounds: int = 5, charts: int = CHARTS) -> Iterator[Line]:
    """The time until the others' last message is delivered, with and without the failing chart, in turn."""
    poisoned, clean = [], []
    with sink.serving(0) as url:
        for _ in range(rounds):
            poisoned.append(_seconds(place, url, charts, sink.FAILING))
            clean.append(_seconds(place, url, charts, "1"))
            tell(f"poison: {poisoned[-1]:.2f} s, without {clean[-1]:.2f} s")
    yield Line(
        bench="poison",
        value=statistics.median(poisoned) / statistics.median(clean),
        unit="ratio",
        also={"seconds": round(statistics.median(poisoned), 2)},
    )


def _seconds(place: Place, url: str, charts: int, first: str) -> float:
    """From the start of a run to the last delivery of the charts that can be delivered."""
    place.empty()
    names = [f"poison-{number}" for number in range(charts)]
    uvloop.run(fill(place.settings, names, EACH, patients=[first, *map(str, range(2, charts + 1))]))
    here = configured(place.settings, url, 64)
    began = time.time()
    figures, _ = drain_singles(here, one_request_each(sending.lane(here)), run_id="poison")
    expected = (charts - (first == sink.FAILING)) * EACH
    if figures.sent != expected:
        raise RuntimeError(f"{figures.sent} of {expected} messages were delivered")
    with place.connect() as db:
        row = db.execute(
            "SELECT extract(epoch FROM max(at))::float8 FROM attempt WHERE outcome = 0"
        ).fetchone()
    return float(row[0]) - began if row else 0.0
