"""References without seed or epochs: one module a kind."""
