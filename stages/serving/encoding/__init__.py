"""From histories to codes."""
