"""How Elation's lane sends: chart events become calls, once the live system has said who the physician is."""

from collections.abc import Sequence

from assets.drain.settings import SinglesLane, pace
from assets.elation import calls
from assets.elation.events import decode
from assets.elation.mapping import Practice, language_names
from resources import elation, elation_api
from resources.elation import Elation
from resources.settings import SettingError, Settings
from resources.store.known import Known
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from resources.store.values import Arrival, Message, Owed, Receipt

NAME = "elation"
NUMBER = NUMBERS[NAME]


def account(settings: Settings) -> elation_api.Settings:
    """The ``ELATION_`` settings; the error names the one that is missing."""
    try:
        return elation_api.Settings.from_environment(settings.values)
    except ValueError as error:
        raise SettingError(f"{error}; see .env.example") from None


def lane(settings: Settings) -> SinglesLane:
    """The lane as these settings describe it."""
    ours = account(settings)
    charts = Charts(ours)

    async def connect() -> Client:
        known = Known(settings.database_url, Sealer(settings.keys), NUMBER)
        client = Client(elation.connect(ours, known), known)
        charts.ask(client)
        return client

    return SinglesLane(
        name=NAME,
        number=NUMBER,
        map=charts.owed,
        connect=connect,
        prepare=charts.prepare,
        on_failure=calls.on_failure,
        full_state=calls.FULL_STATE.__contains__,
        remembers=True,
        aspect=calls.LEAVES.get,
        pace=pace(settings, settle=ours.settle_seconds, concurrency=ours.concurrency),
    )


class Client:
    """Elation as a drain uses it, with what is remembered of its charts."""

    def __init__(self, far: Elation, known: Known) -> None:
        self.far = far
        self._known = known

    async def send(self, message: Message) -> Receipt:
        return await self.far.send(message)

    async def ask(self, message: Message) -> Receipt | None:
        return await self.far.ask(message)

    async def close(self) -> None:
        await self.far.aclose()
        await self._known.close()


class Charts:
    """Maps chart events with the physician and the languages of the live system.

    Before Elation has been asked, a physician given by name stands by name, which only a look-up of the mapping
    ever sees: nothing is claimed before ``prepare`` has succeeded.
    """

    def __init__(self, ours: elation_api.Settings) -> None:
        self._ours = ours
        self._client: Client | None = None
        name = ours.primary_physician
        self._practice = Practice(
            primary_physician=int(name) if name.isdecimal() else name,
            caregiver_practice=ours.caregiver_practice,
        )
        self._languages: tuple[str, ...] | None = None

    def ask(self, client: Client) -> None:
        """Whom ``prepare`` asks."""
        self._client = client

    async def prepare(self) -> None:
        """Learn from Elation what a mapping must know; Elation is asked once a day."""
        assert self._client is not None  # noqa: S101 - a run connects before it prepares
        setup = await self._client.far.setup()
        if (self._practice.primary_physician, self._languages) != (setup.primary_physician, setup.languages):
            self._languages = setup.languages
            self._practice = Practice(
                primary_physician=setup.primary_physician,
                caregiver_practice=self._ours.caregiver_practice,
                languages=language_names(setup.languages),
            )

    def owed(self, arrival: Arrival) -> Sequence[Owed]:
        """The calls of one chart event."""
        return calls.owed(decode(arrival.body), self._practice, self._ours.policy_names)
