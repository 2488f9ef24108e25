"""Measurements of the running system, over HTTP; their results stand beside them as tables."""
