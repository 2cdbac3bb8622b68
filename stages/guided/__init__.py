"""Codes chosen by what the decoder makes of them, not by their distance to the embedding alone.

The nearest code is not the best one. A guided encoder searches on from it: for the code whose decoded vector gives the
scores of the float model, or under which the user's known items are most likely. Codebooks, model and what is stored
stay as they are; only the encoder does more. This is inference at encoding time, user by user, as Yang, Bamler & Mandt
2020 do for images (and Kim et al. 2018, in training), here over discrete codes.
"""
