"""The clinician of the demo: attaches a note to every order that waits, confirms the patient, sends it.

Through the pages, as a person without scripts does it; nothing here knows the store.
"""

import io
import re
from collections.abc import Iterator, Mapping

from handoff.demo_window import Window, hidden

#: Pages of orders a demo may have.
PAGES = 20


def play(web: str, settings: Mapping[str, str]) -> int:
    """Answer what waits; how many orders were answered."""
    with Window(web, "clinician", settings["HANDOFF_DEMO_PASSWORD"]) as clinician:
        paths = list(_waiting(clinician))
        for path in paths:
            _answer(clinician, path)
        return len(paths)


def _waiting(clinician: Window) -> Iterator[str]:
    for page in range(PAGES):
        text = clinician.page("/orders", **{"from": page * 50})
        yield from dict.fromkeys(re.findall(r'href="(/orders/[0-9]+)"', text))
        if f"from={(page + 1) * 50}" not in text:
            return


def _answer(clinician: Window, path: str) -> None:
    note = ("note.pdf", note_for(path), "application/pdf")
    clinician.send(f"{path}/note", files={"note": note}, csrf=hidden(clinician.page(path), "csrf"))
    page = clinician.page(path)
    fields = {name: hidden(page, name) for name in ("csrf", "version", "name", "birth_date")}
    clinician.send(f"{path}/send", right_name="1", right_birth_date="1", **fields)


def note_for(order: str) -> bytes:
    """A PDF of its own for each order: the same file for two patients would be stopped."""
    from pypdf import PdfWriter

    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(612, 792)
    writer.add_metadata({"/Title": f"Clinical note for {order}"})
    writer.write(out)
    return out.getvalue()
