"""Training: examples, the loop, checkpoints, validation."""
