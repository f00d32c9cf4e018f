"""Adapters: weights with their facts, and how they are attached to a network."""
