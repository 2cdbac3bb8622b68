"""Codes in applications: look-up layers."""
