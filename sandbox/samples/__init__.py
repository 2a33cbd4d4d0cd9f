"""Senders in miniature: invented people and what partners would send about them.

``python -m sandbox.samples <lane> --count N`` prints events, one JSON document a line; with ``--to URL`` it sends
them to the doors. People and results vary by seed; every run has new ids and new people, so that a second run is
never taken for the first. No real person, number or address is among them.
"""
