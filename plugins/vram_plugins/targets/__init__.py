"""Targets of speed: how long requests are, how many of them a deployment carries within its targets, and the curve of that.

A room of its own, because plans, comparisons and pages ask the same.
"""
