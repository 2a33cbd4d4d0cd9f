"""Which systems there are; the one place a new one is named."""

from __future__ import annotations

from . import openmrs
from .core import System
from .elation import Elation
from .insurer import Insurer
from .mail import Mail
from .northlab import Northlab
from .notices import Notices
from .redox import Redox
from .reportstream import ReportStream
from .s3 import S3
from .simplereport import SimpleReport
from .video import Video


def all_systems() -> list[System]:
    """Every partner in miniature, each with nothing received yet."""
    return [
        Elation(),
        Insurer(),
        Mail(),
        Northlab(),
        Notices(),
        Redox(),
        ReportStream(),
        S3(),
        SimpleReport(),
        Video(),
        *openmrs.systems(),
    ]
