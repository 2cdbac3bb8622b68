"""Auto-encoders: one module per kind, with their likelihood, bottlenecks and device."""
