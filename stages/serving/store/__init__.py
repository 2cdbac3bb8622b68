"""Codes by user, on disk."""
