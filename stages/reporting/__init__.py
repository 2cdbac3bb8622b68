"""The report of a data set: its sections, and what they share."""
