"""Data sets: tracks, manifests, scanning, splitting. No torch."""
