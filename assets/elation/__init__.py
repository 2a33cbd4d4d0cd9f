"""Arc's chart events on their way to Elation.

``events`` is what comes in, ``mapping`` the Elation patient and policies it becomes, ``calls`` what is owed
for it and what may stand in for what.
"""
