"""Generating audio with and without adapters."""
