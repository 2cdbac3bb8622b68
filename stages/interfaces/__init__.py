"""What the other packages exchange: the split, recommenders, codecs, and users in batches."""
