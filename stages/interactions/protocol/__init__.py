"""The protocol of Liang et al. 2018: from ratings to interactions to the split, and a description of the split.

Only ratings above a threshold count, and only users with enough of them. *Users* are held out (strong generalization),
and a share of their items is predicted from the others. It is step by step what the published notebook does; a test
compares it with the notebook's steps, taken one interaction at a time.
"""
