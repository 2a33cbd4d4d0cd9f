"""What it costs: ``make bench`` prints one JSON object a measurement. Not what breaks it: see ``drills``.

A module here offers ``measure(place)``, which yields lines; ``__main__`` lists them. Add yours there.
"""
