"""Reference recommenders without seed or epochs: one module per kind."""
