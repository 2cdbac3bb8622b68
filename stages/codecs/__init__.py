"""Quantizers that are fitted after training: one module a kind, named as in params.yaml."""
