"""Recommenders: auto-encoders with their bottlenecks and training loop, popularity, EASE."""
