"""Tests of the judge of captures."""
