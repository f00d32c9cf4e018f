"""Finding out what a song sounds like, ranked by who says so."""
