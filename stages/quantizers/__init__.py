"""Codecs: what is stored per user, and how to get the vector back."""
