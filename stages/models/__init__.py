"""Auto-encoders: one module a kind, with their likelihood and training loop."""
