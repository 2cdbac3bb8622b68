"""The search for the nearest codes of a vector, compiled for the CPU."""
