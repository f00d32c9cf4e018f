"""Adapter files for other programs, read back and compared before they count as written."""
