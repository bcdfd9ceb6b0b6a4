"""Tests of ginnel.policy."""
