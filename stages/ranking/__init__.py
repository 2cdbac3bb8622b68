"""Ranking of all items for held-out users, and NDCG."""
