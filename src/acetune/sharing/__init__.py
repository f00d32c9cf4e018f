"""What leaves this machine: bundles that repeat a training, model cards, and pushes to a hub; redacted by default."""
