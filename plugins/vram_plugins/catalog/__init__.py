"""Rebuilding the bundled catalog."""
