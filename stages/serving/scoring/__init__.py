"""From codes to the best items."""
