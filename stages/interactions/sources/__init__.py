"""Where ratings come from: downloads, and made-up ones."""
