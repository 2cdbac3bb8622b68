"""Quantization used both in training and after it: k-means, product and residual codes, linear transforms."""
