"""One measurement as it is printed; names and members are those of ``make bench``."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Line:
    """A figure, what it is compared with, and what else a reader should know (``also``)."""

    bench: str
    value: float
    unit: str
    of: str | None = None
    compared: float | None = None
    also: Mapping[str, float] = field(default_factory=dict)

    def members(self) -> dict[str, object]:
        """As JSON. ``load`` is how many processes wanted a core during the last minute, ours among them."""
        shown: dict[str, object] = {"bench": self.bench, "value": rounded(self.value), "unit": self.unit}
        if self.of is not None and self.compared is not None:
            shown |= {
                "of": f"{self.of} {rounded(self.compared):g}",
                "ratio": rounded(self.value / self.compared),
            }
        return shown | dict(self.also) | {"load": round(os.getloadavg()[0], 1)}


def rounded(number: float) -> float:
    """Three digits and every digit before the point.

    >>> rounded(0.123456), rounded(12.3456), rounded(12345.6)
    (0.123, 12.3, 12346)
    """
    return round(number) if number >= 100 else float(f"{number:.3g}")


def tell(text: str) -> None:
    """How far it is, on standard error."""
    print(text, file=sys.stderr, flush=True)
