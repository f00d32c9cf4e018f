"""Sound on the disk and in memory: reading, writing, levels. No torch."""
