"""What operators set: environment variables, read when something starts, with an error that names the one.

``.env.example`` lists every one with its default. Nothing is read at import.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from resources.store.seal import Keys


class SettingError(ValueError):
    """A setting is missing or cannot be read; the text names it, never its value."""


@dataclass(frozen=True)
class Settings:
    """The environment, typed where it is asked for."""

    values: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Of this environment, by default the process's own."""
        return cls(dict(os.environ if environment is None else environment))

    def text(self, name: str, default: str = "") -> str:
        """A text; blank counts as absent."""
        return self.values.get(name, "").strip() or default

    def required(self, name: str) -> str:
        """A text that must be there."""
        if value := self.text(name):
            return value
        raise SettingError(f"{name} is not set; see .env.example")

    def number(self, name: str, default: float) -> float:
        """A number that is not negative."""
        value = self.text(name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number < float("inf"):
            raise SettingError(f"{name} must be a number that is not negative")
        return number

    def whole(self, name: str, default: int) -> int:
        """A whole number that is not negative."""
        number = self.number(name, default)
        if number != int(number):
            raise SettingError(f"{name} must be a whole number")
        return int(number)

    def numbers(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """Numbers, comma between."""
        try:
            return tuple(float(part) for part in self.text(name).split(",") if part.strip()) or default
        except ValueError:
            raise SettingError(f"{name} must be numbers with commas between") from None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of these; the first is the default."""
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise SettingError(f"{name} must be one of {', '.join(allowed)}")
        return value

    def several(self, name: str) -> tuple[str, ...]:
        """Texts, comma between: secrets of which two may live, addresses of notices."""
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    @property
    def database_url(self) -> str:
        """The store, as the application role."""
        return self.required("HANDOFF_DATABASE_URL")

    @property
    def owner_url(self) -> str:
        """The store, as its owner: migrations, partitions, retention."""
        return self.required("HANDOFF_OWNER_URL")

    @property
    def keys(self) -> Keys:
        """The key rings of the store."""
        try:
            return Keys.read(self.required("HANDOFF_KEYS"), self.required("HANDOFF_INDEX_KEYS"))
        except ValueError as error:
            raise SettingError(str(error)) from None

    @property
    def production(self) -> bool:
        """Whether real patients are served."""
        return self.choice("HANDOFF_ENVIRONMENT", ("test", "production")) == "production"
