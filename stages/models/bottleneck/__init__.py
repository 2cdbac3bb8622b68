"""Quantization inside training: moving codebooks, one module per scheme, a linear transform, and the bottleneck."""
