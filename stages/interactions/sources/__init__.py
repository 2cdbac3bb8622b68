"""Sources of ratings: downloads, and synthetic ratings."""
