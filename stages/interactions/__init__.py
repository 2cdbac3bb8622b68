"""Ratings: fetched, read, filtered, and split into sparse matrices."""
