"""Tests of ginnel.capture."""
