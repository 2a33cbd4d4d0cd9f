"""What each role may do on the pages. A page's guard names roles; what a page shows asks the rights here.

| role | messages | content of messages | retry, skip, hold, release |
| --- | --- | --- | --- |
| clinician | of their own orders | of their own orders | send again what is their own |
| secretary, provider | no | no | no |
| operator | yes | never | yes |
| administrator | yes | with a reason, logged | yes |
"""

from resources.store.staff import Person, Role

__all__ = [
    "ADMINISTRATOR",
    "CLINICIAN",
    "EVERYONE",
    "OPERATOR",
    "PROVIDER",
    "SECRETARY",
    "Person",
    "Role",
    "acts_on_all",
    "reads_content",
    "sees_all",
]

CLINICIAN, SECRETARY, PROVIDER, OPERATOR, ADMINISTRATOR = Role
EVERYONE = frozenset(Role)

#: Who sees that messages exist, and where they stand.
OF_MESSAGES = frozenset({CLINICIAN, OPERATOR, ADMINISTRATOR})
#: Who looks after lanes.
OF_LANES = frozenset({OPERATOR, ADMINISTRATOR})


def sees_all(person: Person) -> bool:
    """Whether every message is listed, or only their own."""
    return person.role in OF_LANES


def acts_on_all(person: Person) -> bool:
    """Whether they skip, hold and release; who does not may still send their own again."""
    return person.role in OF_LANES


def reads_content(person: Person) -> bool:
    """Whether they may read what a message says, where they see the message at all. An operator never may."""
    return person.role in (ADMINISTRATOR, CLINICIAN)
