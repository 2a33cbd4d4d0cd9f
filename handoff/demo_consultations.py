"""The clinic of the demo: a secretary screens what has come, a provider treats it and writes the reports.

Through the pages, as people without scripts do it; nothing here knows the store. One consultation is left in every
state, for whoever looks at the demo; all others are finished, and each of them is owed to the insurer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import httpx

from handoff.demo_window import Window, hidden

REPORTS = (
    {
        "icpc2": "R74",
        "outcome": "helped",
        "notes": "Coughs since Tuesday, no fever. Rest; to call again if worse.",
    },
    {
        "icpc2": "L03",
        "outcome": "referred_gp",
        "notes": "Low back pain after lifting. To see the GP this week.",
    },
    {
        "icpc2": "P06",
        "outcome": "follow_up_booked",
        "notes": "Sleeps badly. Talked about habits; again in two weeks.",
    },
    {"icpc2": "S88", "outcome": "prescription", "notes": "Contact eczema on both hands."},
)


def play(web: str, settings: Mapping[str, str]) -> int:
    """Treat what waits; how many consultations were finished."""
    word = settings["HANDOFF_DEMO_PASSWORD"]
    with Window(web, "secretary", word) as secretary, Window(web, "provider", word) as provider:
        _screen(secretary)
        return _treat(provider)


def _screen(secretary: Window) -> None:
    """All but one, and the last of them turns out to need nobody."""
    page = secretary.page("/consultations", list="to_screen")
    token, paths = hidden(page, "csrf"), _rows(page)
    for path in paths[:-1]:
        secretary.send(f"{path}/screen", csrf=token)
    for path in paths[-2:-1]:
        secretary.send(f"{path}/cancel", csrf=token, reason="not_needed")


def _treat(provider: Window) -> int:
    """All but one; of the last two one has only been picked and the other runs."""
    page = provider.page("/consultations", list="open")
    token, paths = hidden(page, "csrf"), _rows(page)[:-1]
    finished = paths[:-2]
    for number, path in enumerate(paths):
        provider.send(f"{path}/pick", csrf=token)
        if path != paths[-1]:
            provider.send(f"{path}/start", csrf=token)
        if path in finished:
            policy = f"{number + 1:08d}"
            provider.send(
                f"{path}/finish", csrf=token, policy_number=policy, **REPORTS[number % len(REPORTS)]
            )
    return len(finished)


def _rows(page: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r'href="(/consultations/[0-9]+)"', page)))


def wrong(sandbox: str, delivered: Sequence[int]) -> Iterator[str]:
    """What is wrong with the insurer's inbox: each message that was delivered is there, and came once."""
    held = httpx.get(f"{sandbox}/_sandbox/insurer/records", trust_env=False, timeout=20.0).json()
    for message in delivered:
        times = held.get(str(message), {}).get("times", 0)
        if times != 1:
            yield f"pridok: the insurer has the message {message} {times} times"
