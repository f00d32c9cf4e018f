"""What a training will take, before it starts. Pure functions, no torch."""
