"""Encoding songs once, and the cache that keeps them."""
