"""The code location Dagster loads: every lane's pipeline, and what they share.

To add a lane, write its files (docs/add-a-lane.md) and add one line below.
"""

import dagster as dg

from pipelines import alerts, elation, hcoint, openmrs, pridok, reportstream, upkeep
from resources.settings_resource import SettingsResource

defs = dg.Definitions.merge(
    dg.Definitions(resources={"settings": SettingsResource()}),
    reportstream.defs,
    elation.defs,
    hcoint.defs,
    pridok.defs,
    openmrs.defs,
    upkeep.defs,
    alerts.defs,
)
