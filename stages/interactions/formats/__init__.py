"""File formats: each module reads one into batches of ratings."""
