"""The protocol of Liang et al. 2018: from ratings to interactions to the split, and a description of the split."""
