"""Joins settings, models, codecs and measurements: training sessions, decoder refits, and rows of the report."""
