"""The search for the nearest codes of a vector: compiled for the CPU, and in PyTorch for any device."""
