"""Codebooks that training needs too: k-means, product and residual quantization, linear transforms."""
