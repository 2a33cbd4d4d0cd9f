"""Dagster's way to the settings and the store; everything else sees plain values."""

import dagster as dg

from resources.settings import Settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The process's environment, read when a run or a tick starts; ``override`` is for tests."""

    override: dict[str, str] = {}  # noqa: RUF012 - a pydantic field, copied for each instance

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """The settings, with what a test overrides."""
        return Settings({**Settings.read().values, **self.override})
