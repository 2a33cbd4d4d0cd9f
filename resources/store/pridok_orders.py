"""What customers owe for consultations of ``pridok``: one order a referral, with its one line and the deal's terms."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from resources.store.connect import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An order with its line; ``share`` is how much of the discounted price is due."""

    id: int
    consultation: int
    customer: str
    deal: str
    price: Decimal
    discount: Decimal
    no_show_share: Decimal
    late_cancel_share: Decimal
    share: Decimal
    category: str
    total: Decimal


_NAMES = tuple(Row.__slots__)
_COLUMNS = ", ".join(_NAMES)


def place(db: Connection, row: Row) -> None:
    """Write an order down; of one that stands only what is due changes, never its terms."""
    db.execute(
        f"""
        INSERT INTO pridok_order ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET share = EXCLUDED.share, total = EXCLUDED.total
        """,
        [getattr(row, name) for name in _NAMES],
    )


def of_consultation(db: Connection, consultation: int) -> Row | None:
    """The order a consultation stands on."""
    row: Any = db.execute(
        f"SELECT {_COLUMNS} FROM pridok_order WHERE consultation = %s", [consultation]
    ).fetchone()
    return Row(**dict(zip(_NAMES, row, strict=True))) if row else None
