"""Measurements of a row: metrics, bytes, use of codes, variance lost, encoding and decoding time."""
