"""The protocol of Liang et al. 2018: from ratings to interactions to the split, and what it has to be."""
