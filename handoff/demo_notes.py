"""The clinician of the demo: signs in, attaches a note to every order that waits, confirms the patient, sends it.

Through the pages, as a person without scripts does it; nothing here knows the store.
"""

import html
import io
import re
from collections.abc import Iterator, Mapping

import httpx

#: Pages of orders a demo may have.
PAGES = 20


class Clinician:
    """One person at one window."""

    def __init__(self, web: str, password: str) -> None:
        self._http = httpx.Client(
            base_url=web, timeout=30.0, trust_env=False, headers={"accept": "text/html"}
        )
        page = self._http.get("/sign-in").text
        form = {"csrf": _field(page, "csrf"), "name": "clinician", "password": password}
        answer = self._http.post("/sign-in", data=form)
        if answer.status_code != 303:
            raise RuntimeError(f"the demo's clinician could not sign in ({answer.status_code})")

    def close(self) -> None:
        """Go home."""
        self._http.close()

    def answer_all(self) -> int:
        """Answer every order that waits; how many were."""
        paths = list(self._waiting())
        for number, path in enumerate(paths, start=1):
            self._answer(path, number)
        return len(paths)

    def _waiting(self) -> Iterator[str]:
        for page in range(PAGES):
            text = self._http.get("/orders", params={"from": page * 50}).text
            yield from dict.fromkeys(re.findall(r'href="(/orders/[0-9]+)"', text))
            if f"from={(page + 1) * 50}" not in text:
                return

    def _answer(self, path: str, number: int) -> None:
        token = _field(self._http.get(path).text, "csrf")
        note = ("note.pdf", note_for(number), "application/pdf")
        attached = self._http.post(f"{path}/note", data={"csrf": token}, files={"note": note})
        page = self._http.get(path).text
        fields = {name: _field(page, name) for name in ("csrf", "version", "name", "birth_date")}
        sent = self._http.post(f"{path}/send", data={**fields, "right_name": "1", "right_birth_date": "1"})
        if (attached.status_code, sent.status_code) != (303, 303):
            raise RuntimeError(
                f"a note of the demo was not taken ({attached.status_code}, {sent.status_code})"
            )


def play(web: str, settings: Mapping[str, str]) -> int:
    """Answer what waits; how many orders were answered."""
    clinician = Clinician(web, settings["HANDOFF_DEMO_PASSWORD"])
    try:
        return clinician.answer_all()
    finally:
        clinician.close()


def note_for(number: int) -> bytes:
    """A PDF of its own for each order: the same file for two patients would be stopped."""
    from pypdf import PdfWriter

    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(612, 792)
    writer.add_metadata({"/Title": f"Clinical note {number}"})
    writer.write(out)
    return out.getvalue()


def _field(page: str, name: str) -> str:
    """What a form of the page holds under this name."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    if found is None:
        raise RuntimeError(f"a page of the demo has no {name}; is the account there?")
    return html.unescape(found[1])
