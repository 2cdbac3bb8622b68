"""Codes in use: look-up layers."""
