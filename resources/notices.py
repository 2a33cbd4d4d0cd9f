"""Telling people: one notice an incident, by whatever HANDOFF_NOTICE_URLS names (apprise: mail, Slack, webhook).

A notice that cannot be sent is logged and never stops anything.
"""

import logging
from collections.abc import Sequence

import apprise

from resources.store.incidents import Incident

log = logging.getLogger("handoff.notices")


class Notices:
    """Speaks to the addresses operators have set; without any it only logs."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._far = apprise.Apprise()
        for number, url in enumerate(urls, start=1):
            if not self._far.add(url):
                raise ValueError(f"HANDOFF_NOTICE_URLS: address {number} is none that apprise knows")

    def say(self, opened: Sequence[Incident], recovered: Sequence[Incident]) -> None:
        """Speak of what opened (or is still open) and of what is over."""
        for one in opened:
            self._say("failure", one, one.text)
        for one in recovered:
            self._say("success", one, f"Over: {one.text}")

    def _say(self, kind: str, incident: Incident, text: str) -> None:
        log.warning("%s: %s", incident.key, text)
        if not len(self._far):
            return
        title = f"Handoff, lane {incident.lane}" if incident.lane else "Handoff"
        try:
            sent = self._far.notify(body=text, title=title, notify_type=apprise.NotifyType(kind))
        except Exception as error:  # an address that is away must not stop the watch
            log.error("a notice could not be sent (%s)", type(error).__name__)
            return
        if not sent:
            log.error("a notice could not be sent to every address")
