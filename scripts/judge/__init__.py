"""Judges a capture of a link: whether there is anything in it that a network could match on.

`python -m scripts.judge FILE [--server HOST[:PORT]] [--json]`; docs/disguise.md says how to read what it prints.
Every test ends in a probability: how often chance alone would look like this. `chance` makes them and adds them up,
`traffic` sorts a capture into flows and directions, and the other modules each look for one kind of thing.
"""
