"""Quantizes a model's last hidden layer, with a straight-through gradient (PQ-VAE, RQ-VAE)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from stages.codebooks.clustering import CODES
from stages.codebooks.codebook_codec import CodebookCodec
from stages.interfaces.batches import users_at_once
from stages.models.bottleneck.linear_transform import LinearTransform
from stages.models.bottleneck.moving_codebooks import MovingCodebooks
from stages.models.bottleneck.scheme import Scheme


@dataclass(frozen=True)
class Rules:
    """Training rules of codebooks, the same for all schemes."""

    float_share: float
    """Share of the epochs that are trained in float32, before the codebooks start."""
    ema_decay: float
    """Decay of the moving averages, per step."""
    commitment: float
    """Weight of the commitment loss."""
    dead_code_share: float
    """A code is replaced once its use falls below this share of the average use of a code."""
    learn_scores: bool
    """Whether codes learn the scores of the float model instead of the user's items, which it keeps learning."""
    ema_targets: Literal["dropout", "clean", "parts"]
    """Embeddings that the moving averages follow: with dropout, of whole histories (clean), or of subsampled ones."""


class Bottleneck(nn.Module):
    """Quantizes vectors with codebooks that follow them in training; before `start`, vectors pass unchanged.

    Parameters
    ----------
    scheme : quantization scheme, product or residual
    rules : training rules of the codebooks
    """

    started: Tensor

    def __init__(self, scheme: Scheme, rules: Rules) -> None:
        super().__init__()
        self.scheme = scheme
        self.rules = rules
        self.moving = MovingCodebooks(scheme.shape, rules.ema_decay, rules.dead_code_share)
        self.transform = LinearTransform(scheme.width) if scheme.has_transform else None
        self.register_buffer("started", torch.tensor(False))  # saved with the weights
        self.is_started = False
        """The same, on the host: to read it off a GPU is to wait for it."""
        self.register_load_state_dict_post_hook(_as_loaded)

    def start(self, vectors: np.ndarray, output: nn.Linear, seed: int, batch_size: int) -> None:
        """Fit the transform and the codebooks, and initialise the moving averages from the use of each code.

        Parameters
        ----------
        vectors : float32 (n, width)
        output : output layer that takes the vectors
        seed : seed of k-means
        batch_size : vectors per training step

        Raises
        ------
        UserError
            where there are fewer vectors than codes, all are the same, or one is not finite.
        """
        if self.transform is not None:
            transform = self.scheme.fit_transform(vectors, output, seed)
            self.transform.set(transform)
            vectors = transform.apply(vectors)
        codebooks = self.moving.codebooks
        codebooks.copy_(torch.from_numpy(self.scheme.fit(vectors, seed)))
        count = torch.zeros_like(self.moving.ema_count)
        block = users_at_once(4 * codebooks.numel() // CODES, codebooks.device)  # (M, d) float32 per vector
        for rows in torch.from_numpy(np.ascontiguousarray(vectors)).to(codebooks.device).split(block):
            count += self.moving.count(self.scheme.encode(codebooks, rows, training=False))
        self.moving.start(count * (batch_size / len(vectors)))
        self.mark_started()

    def mark_started(self) -> None:
        """From now on, vectors are quantized."""
        self.started.fill_(True)
        self.is_started = True

    def forward(self, vectors: Tensor, ema_targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Quantize vectors, and move the codebooks if in training mode.

        Parameters
        ----------
        vectors : float32 (n, width)
        ema_targets : float32 (m, width), vectors that the moving averages follow
        generator : generator on the vectors' device; draws lengths of prefixes, and replacements of dead codes

        Returns
        -------
        quantized : float32 (n, width); its gradient is passed to `vectors` unchanged
        loss : commitment loss, commitment · mean over users of ‖vector − quantized‖²
        """
        if not self.is_started:
            return vectors, vectors.new_zeros(())
        with torch.no_grad():
            if self.training:
                quantized = self._quantized_and_followed(vectors.detach().float(), ema_targets.float(), generator)
            else:
                quantized = self.decode(self.encode(vectors))
        loss = self.rules.commitment * (vectors - quantized).square().sum(1).mean()
        return vectors + (quantized - vectors).detach(), loss

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        """Codes int64 (n, M); vectors : float32 (n, width)."""
        return self.scheme.encode(self.moving.codebooks, self._transformed(vectors), training=self.training)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Vectors float32 (n, width); codes : int64 (n, M)."""
        return self._undone(self.scheme.decode(self.moving.codebooks, codes))

    def codec(self) -> CodebookCodec:
        """The codec with these codebooks and this transform."""
        transform = None if self.transform is None else self.transform.export()
        return self.scheme.codec(self.moving.codebooks.cpu().numpy(), transform)

    def _quantized_and_followed(self, vectors: Tensor, ema_targets: Tensor, generator: torch.Generator) -> Tensor:
        """Quantize vectors, then move the codebooks towards the targets; arguments as in `forward`."""
        codebooks = self.moving.codebooks
        both = self._transformed(torch.cat([vectors, ema_targets]))  # encoded at once: a step is made of small products
        codes = self.scheme.encode(codebooks, both, training=True)
        n = len(vectors)
        quantized = self._undone(self.scheme.decode_for_training(codebooks, codes[:n], generator))
        self.moving.update(self.scheme.targets(codebooks, both[n:], codes[n:]), codes[n:], generator)
        return quantized

    def _transformed(self, vectors: Tensor) -> Tensor:
        return vectors if self.transform is None else self.transform(vectors)

    def _undone(self, vectors: Tensor) -> Tensor:
        return vectors if self.transform is None else self.transform.undo(vectors)


def _as_loaded(bottleneck: Bottleneck, _: object) -> None:
    bottleneck.is_started = bool(bottleneck.started)
