"""A few bars as a picture that a page of Dagster can show: drawn here, so that nothing is fetched from anywhere.

A hidden cell has no bar: its mark stands in the bar's place. What is drawn is ``workbook``'s to mask.
"""

import base64
from collections.abc import Mapping
from html import escape
from typing import Final

from assets.pridok.masking import Cell

WIDTH: Final = 640
_LABELS, _VALUES, _LINE, _HEAD = 190, 70, 26, 44
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1b2733}.t{font-weight:600;font-size:15px}.b{fill:#2f6f9f}"
)


def bars(title: str, values: Mapping[str, Cell | float]) -> str:
    """One bar a value, as SVG; the longest fills the width."""
    longest = max((value for value in values.values() if not isinstance(value, str)), default=0) or 1
    height = _HEAD + _LINE * len(values) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text class="t" x="16" y="27">{escape(title)}</text>',
        *(_bar(place, name, value, longest) for place, (name, value) in enumerate(values.items())),
        "</svg>",
    ]
    return "".join(parts)


def markdown(svg: str, title: str) -> str:
    """The picture as Markdown that holds it whole."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _bar(place: int, name: str, value: Cell | float, longest: float) -> str:
    top = _HEAD + _LINE * place
    room = WIDTH - _LABELS - _VALUES - 16
    hidden = isinstance(value, str)
    length = 0.0 if isinstance(value, str) else round(room * max(value, 0) / longest, 1)
    shown = escape(str(value)) if hidden or isinstance(value, int) else f"{value:g}"
    drawn = "" if hidden else f'<rect class="b" x="{_LABELS}" y="{top}" width="{length}" height="18" rx="2"/>'
    return (
        f'<text x="{_LABELS - 10}" y="{top + 14}" text-anchor="end">{escape(name)}</text>{drawn}'
        f'<text x="{_LABELS + length + 8}" y="{top + 14}">{shown}</text>'
    )


def shown(values: Mapping[str, Cell | float]) -> dict[str, int | float]:
    """The values that are not hidden, for a chart of months side by side.

    >>> shown({"received": 20, "cancelled": "<5"})
    {'received': 20}
    """
    return {name: value for name, value in values.items() if not isinstance(value, str)}
