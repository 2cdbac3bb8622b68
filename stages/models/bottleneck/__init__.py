"""Quantization inside training (PQ-VAE, RQ-VAE): codebooks by moving averages, schemes of codes."""
