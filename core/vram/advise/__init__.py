"""Advice that goes beyond memory: speed, recommendation, comparison."""
