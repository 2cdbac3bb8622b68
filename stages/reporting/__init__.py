"""The report: one module a section."""
