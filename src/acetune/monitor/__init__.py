"""Watching: following event streams, the console, the report."""
