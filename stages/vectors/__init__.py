"""Vectors from elsewhere, such as a two-tower model's: read from files, and compressed."""
