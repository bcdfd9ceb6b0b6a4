"""Tests of ginnel.config."""
