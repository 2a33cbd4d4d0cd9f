"""The two ways of doing ReportStream's work: ours, and exactly as it was published.

``AS_PUBLISHED`` reproduces what SimpleReport and ReportStream did, defects and all, so that their published
samples can judge us. ``DEFAULT`` is what goes out; every difference is named where it is made.
"""

import enum


class Profile(enum.Enum):
    """Which rules apply."""

    DEFAULT = "default"
    AS_PUBLISHED = "as-published"
