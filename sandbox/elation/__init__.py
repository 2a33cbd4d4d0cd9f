"""Elation in miniature: an electronic health record of a primary care practice, reached by its REST API 2.0.

Patients and their insurance policies, the physicians and languages a client has to look up, and the manners that
hurt: matching on create, a new policy that silently pushes out the old, cursors instead of counts.
"""

from .system import Elation

__all__ = ["Elation"]
