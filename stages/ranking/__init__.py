"""Ranking metrics and the one evaluation that scores every row."""
