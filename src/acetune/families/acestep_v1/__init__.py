"""ACE-Step v1 (3.5B): its own network, codec and lyric tokens, written from formulas."""
