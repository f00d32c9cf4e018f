"""Families of models: everything that depends on which network is trained."""
