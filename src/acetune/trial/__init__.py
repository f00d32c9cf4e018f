"""Whether a model and a device do on a user's machine what the tests say they do."""
