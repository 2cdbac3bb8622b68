"""A package: all that is needed to encode users of a row and to recommend to them, without the code that trained it."""
