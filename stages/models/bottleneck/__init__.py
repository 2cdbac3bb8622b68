"""Quantization inside training: moving codebooks, one module per scheme, a linear transform, and the bottleneck.

A model with a bottleneck is trained in float for a share of its epochs (`start`). From the best of these epochs, faiss
fits codebooks of 256 codes, which are then trained along with the model. Gradients go straight through the quantizer
(straight-through estimator), the codebooks follow the embeddings by moving averages, and a code that is hardly used is
moved to an embedding of the batch. The epoch with the best validation NDCG@100 *of the codes* is kept. The learning
rate falls to 0 over the last epochs (`training.cooldown`), for quantized and float models alike, so that both sides of
a comparison have the same schedule.

Training sees inputs with dropout, but users are stored without. The codebooks therefore follow a second, clean pass
through the encoder (`follow: clean`). The histories of held-out users are shorter than those in training, and new to
the encoder. For the rows beyond the paper, the codebooks are therefore fitted on random parts of histories, and follow
such parts, embedded as histories of their own (`follow: parts`). With `target: scores`, the float model goes on
learning the items, and the codes learn its scores. Training cuts residual codes at random lengths, so any prefix of
such a code is a code.
"""
