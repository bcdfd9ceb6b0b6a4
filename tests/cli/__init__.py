"""Tests of ginnel.cli."""
