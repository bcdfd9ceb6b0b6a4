"""Tests of ginnel.api."""
