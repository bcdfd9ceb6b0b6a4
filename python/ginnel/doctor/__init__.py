"""Checks of this machine, for `ginnel doctor` and `ginnel interfaces`: one file a family.

Each file reads its facts from the system (`read`) and judges them in a pure function (`check`), which tests feed.
"""
