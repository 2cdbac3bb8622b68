"""The protocol of Liang et al. 2018: from ratings to interactions to the split, and a description of the split.

Only ratings above a threshold count, and only users with enough of them. *Users* are held out (strong generalization),
and a share of their items is predicted from the others. It is step by step what the published notebook does; a test
compares it with the notebook's steps, taken one interaction at a time.

By `kind: time` users are held out just so, but what is predicted of them are their last items by timestamp, and equal
timestamps are in the order of the file. Other users' histories do not end there: training knows of later things.

With a `cut` it does not. All that counts as known is before the cut: the ratings, of several of a pair the last before
the cut, the users and items with enough interactions, the histories of train users, the fold-in. Who has nothing before
the cut is no user of the split. From the cut on, held-out users' ratings above the threshold are to be predicted, but
for pairs that the fold-in has, and for items that no train user has before the cut: nothing could rank them. So those
are held out who have something before the cut and something else from it on, five in all: the last ones of the
permutation, of whom there are so many. All other users are train users, whether they come back after the cut or not.

A log larger than memory goes through the same steps in parts on disk, each with all rows of some of the users; the
split is the same, byte for byte.
"""
