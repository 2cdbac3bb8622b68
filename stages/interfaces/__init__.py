"""What the other packages hand each other: the split, recommenders, codecs, users in batches."""
