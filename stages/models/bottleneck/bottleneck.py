"""Quantization inside training: codebooks by moving averages, gradients straight through (PQ-VAE, RQ-VAE)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from stages.codebooks.clustering import CODES
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import Transform, decoder_metric, fit_rotation
from stages.interfaces.batches import users_at_once

SMOOTHING = 1e-5  # Laplace smoothing of the counts, as in Sonnet's VectorQuantizerEMA
WHOLE_CODES = 0.25  # share of users whose whole code is trained; the others' prefixes are of any length alike

USERS_OF_MEAN_SOFTMAX = 4096


@dataclass(frozen=True)
class Rules:
    """How codebooks are trained, whatever their family."""

    start_share: float
    """Of the epochs, trained without quantization."""
    ema_decay: float
    """Of the moving averages, per step."""
    commitment: float
    """Weight of the commitment loss."""
    dead_code_share: float
    """A code used less than this share of the average is replaced."""
    learn_scores: bool
    """Whether codes learn the scores of the float model, which is trained on, or the user's items."""
    follow: Literal["dropout", "clean", "parts"]
    """The embeddings that codebooks follow: of inputs with dropout, of whole inputs, or of random parts of inputs."""


class Bottleneck(nn.Module, ABC):
    """Replaces a vector by codes of codebooks that follow the vectors by moving averages.

    The averages are those of van den Oord et al. 2017, appendix A.1. Until `start` has fitted codebooks, vectors pass
    unchanged.

    Parameters
    ----------
    width : of the vectors
    shape : of the codebooks (M, 256, width of a code)
    has_transform : whether a linear map comes before the codebooks
    """

    codebooks: Tensor
    ema_count: Tensor
    ema_sum: Tensor
    started: Tensor
    into: Tensor | None
    back: Tensor | None

    def __init__(self, width: int, shape: tuple[int, int, int], rules: Rules, has_transform: bool) -> None:
        super().__init__()
        self.rules = rules
        self.register_buffer("codebooks", torch.zeros(shape))  # (M, K, d)
        self.register_buffer("ema_count", torch.zeros(shape[:2]))  # (M, K) vectors per step
        self.register_buffer("ema_sum", torch.zeros(shape))  # (M, K, d)
        self.register_buffer("started", torch.tensor(False))
        for name in ("into", "back"):
            self.register_buffer(name, torch.zeros(width, width) if has_transform else None)

    @abstractmethod
    def encode(self, vectors: Tensor) -> Tensor:
        """Codes : int64 (n, M) of transformed vectors : float32 (n, width)."""

    @abstractmethod
    def decode(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transformed vectors : float32 (n, width) of codes : int64 (n, M); lengths : those of the prefixes, if any."""

    @abstractmethod
    def codec(self) -> CodebookCodec:
        """What stores users as this module quantizes them."""

    @abstractmethod
    def _fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        """First codebooks for transformed vectors."""

    @abstractmethod
    def _parts(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """What each codebook had to encode : float32 (n, M, d)."""

    @abstractmethod
    def _fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:
        """The linear map before the codebooks, where this module has one."""

    def start(self, vectors: np.ndarray, output: nn.Linear, seed: int, batch_size: int) -> None:
        """Fit codebooks, and count how often each code will be used a step.

        Parameters
        ----------
        vectors : float32 (n, width)
        output : the layer that they go to
        seed : of k-means
        batch_size : vectors per training step

        Raises
        ------
        UserError
            where there are fewer vectors than codes, or one is not finite.
        """
        device = self.codebooks.device
        if self.into is not None and self.back is not None:
            transform = self._fit_transform(vectors, output, seed)
            self.into.copy_(torch.from_numpy(transform.into))
            self.back.copy_(torch.from_numpy(transform.back))
            vectors = transform.apply(vectors)
        self.codebooks.copy_(torch.from_numpy(self._fit(vectors, seed)))
        on_device = torch.from_numpy(np.ascontiguousarray(vectors)).to(device)
        count = torch.zeros_like(self.ema_count)
        for some in on_device.split(users_at_once(4 * self.codebooks.numel() // CODES, device)):
            codes = self.encode(some)
            count += self._sums(self._parts(some, codes), codes)[0]
        self.ema_count.copy_(count * (batch_size / len(vectors)))
        self.ema_sum.copy_(self.codebooks * self.ema_count[..., None])
        self.started.fill_(True)

    def forward(self, vectors: Tensor, followed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Quantize, then, in training, move the codebooks.

        Parameters
        ----------
        vectors : float32 (n, width)
        followed : float32 (m, width), what the codebooks follow
        generator : on the vectors' device; draws those that replace dead codes

        Returns
        -------
        quantized : float32 (n, width), whose gradient goes to `vectors` unchanged
        loss : commitment · mean over users of ‖vector − quantized‖²
        """
        if not self.started:
            return vectors, vectors.new_zeros(())
        with torch.no_grad():
            codes = self.encode(self._transformed(vectors))
            quantized = self.decode(codes, self._lengths(len(vectors), generator))
            if self.back is not None:
                quantized = quantized @ self.back
        loss = self.rules.commitment * (vectors - quantized).square().sum(1).mean()
        if self.training:
            self._update(self._transformed(followed.detach().float()), generator)
        return vectors + (quantized - vectors).detach(), loss

    def _transformed(self, vectors: Tensor) -> Tensor:
        return vectors if self.into is None else vectors @ self.into

    def _lengths(self, n: int, generator: torch.Generator) -> Tensor | None:  # noqa: ARG002 (of prefixes)
        return None

    def _transform(self) -> Transform | None:
        if self.into is None or self.back is None:
            return None
        return Transform(self.into.cpu().numpy(), self.back.cpu().numpy())

    def _sums(self, parts: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Count (M, K) and sum (M, K, d) of the parts (n, M, d) that have each code."""
        n_codebooks, n_codes, width = self.codebooks.shape
        flat = (codes + torch.arange(n_codebooks, device=codes.device) * n_codes).flatten()  # (n·M,)
        count = torch.bincount(flat, minlength=n_codebooks * n_codes).float()
        total = parts.new_zeros(n_codebooks * n_codes, width).index_add_(0, flat, parts.reshape(-1, width))
        return count.view(n_codebooks, n_codes), total.view_as(self.codebooks)

    @torch.no_grad()
    def _update(self, vectors: Tensor, generator: torch.Generator) -> None:
        codes = self.encode(vectors)
        parts = self._parts(vectors, codes)
        count, total = self._sums(parts, codes)
        weight = 1 - self.rules.ema_decay
        self.ema_count.lerp_(count, weight)
        self.ema_sum.lerp_(total, weight)
        per_codebook = self.ema_count.sum(1, keepdim=True)
        smoothed = (self.ema_count + SMOOTHING) / (per_codebook + CODES * SMOOTHING) * per_codebook
        self.codebooks.copy_(self.ema_sum / smoothed[..., None])
        self._replace_dead_codes(parts, per_codebook / CODES, generator)

    def _replace_dead_codes(self, parts: Tensor, average: Tensor, generator: torch.Generator) -> None:
        """Move codes that are hardly used onto random parts of the batch, with the usage of an average code."""
        n_codebooks = len(self.codebooks)
        dead = self.ema_count < self.rules.dead_code_share * average  # (M, K)
        users = torch.randint(len(parts), (n_codebooks, CODES), generator=generator, device=parts.device)
        drawn = parts[users, torch.arange(n_codebooks, device=parts.device)[:, None]]  # (M, K, d)
        # All three, or the next step's average would undo the replacement.
        self.codebooks.copy_(torch.where(dead[..., None], drawn, self.codebooks))
        self.ema_count.copy_(torch.where(dead, average, self.ema_count))
        self.ema_sum.copy_(torch.where(dead[..., None], drawn * average[..., None], self.ema_sum))


class ProductBottleneck(Bottleneck):
    """Cuts a vector into chunks, each with its own codebook (PQ-VAE: Van Balen & Levy 2019).

    Parameters
    ----------
    width : of the vector; a multiple of `chunks`
    chunks : one codebook of 256 codes each
    rotation : whether the vector is rotated before the cut (OPQ)
    """

    def __init__(self, width: int, chunks: int, rules: Rules, rotation: bool) -> None:
        super().__init__(width, (chunks, CODES, width // chunks), rules, rotation)

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        """The nearest codes."""
        half_norms = self.codebooks.square().sum(-1)[:, None] / 2  # (M, 1, K)
        transposed = self.codebooks.transpose(1, 2)  # (M, d, K)
        codes = []
        for some in vectors.float().split(users_at_once(4 * half_norms.numel(), vectors.device)):
            chunks = some.view(len(some), len(half_norms), -1).transpose(0, 1)  # (M, n, d)
            distances = torch.baddbmm(half_norms, chunks, transposed, alpha=-1)  # (M, n, K), less ½‖x‖²
            codes.append(distances.min(-1).indices.T)  # argmin takes twice as long
        return torch.cat(codes)

    def decode(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The chunks' codes side by side."""
        assert lengths is None, "chunks have no prefixes"
        chunk = torch.arange(codes.shape[1], device=codes.device)
        return self.codebooks[chunk, codes].flatten(1)  # (n, M, d) → (n, M·d)

    def codec(self) -> ProductCodec:
        """With these codebooks."""
        return ProductCodec(self.codebooks.cpu().numpy(), self._transform())

    def _fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:  # noqa: ARG002
        return fit_rotation(vectors, len(self.codebooks), seed)

    def _fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        return fit_product(vectors, len(self.codebooks), seed)

    def _parts(self, vectors: Tensor, codes: Tensor) -> Tensor:
        return vectors.view(*codes.shape, -1)


class ResidualBottleneck(Bottleneck):
    """A sum of codes, each for what the ones before have left; in training cut at random, so that any prefix is a code.

    Parameters
    ----------
    width : of the vector, and of every code
    n_codebooks : bytes of the whole code
    beam : how many partial codes the encoder keeps after training, and for fitting; 1 is greedy
    training_beam : how many in a training step
    metric : whether distances are in the decoder's metric (`stages.codebooks.transform.decoder_metric`)
    """

    def __init__(self, width: int, n_codebooks: int, rules: Rules, beam: int, training_beam: int, metric: bool) -> None:
        super().__init__(width, (n_codebooks, CODES, width), rules, metric)
        self.beam = beam
        self.training_beam = training_beam

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        """Codes of a small distance, by a beam search."""
        beam = self.training_beam if self.training else self.beam
        some = users_at_once(4 * beam * CODES, vectors.device)
        return torch.cat([self._encode(part, beam) for part in vectors.float().split(some)])

    def _encode(self, vectors: Tensor, beam: int) -> Tensor:
        n, width = vectors.shape
        rest = vectors[:, None]  # (n, beam, d), what each partial code has left
        codes = torch.zeros(n, 1, 0, dtype=torch.int64, device=vectors.device)  # (n, beam, codebooks so far)
        lost = vectors.new_zeros(n, 1)  # (n, beam), squared distances less ‖x‖²
        for codebook in self.codebooks:
            after = torch.addmm(codebook.square().sum(1), rest.reshape(-1, width), codebook.T, alpha=-2)
            candidates = (lost[..., None] + after.view(n, -1, CODES)).flatten(1)  # (n, beam · K)
            if beam == 1:
                lost, best = candidates.min(1, keepdim=True)
            else:
                lost, best = candidates.topk(min(beam, candidates.shape[1]), 1, largest=False)
            partial, code = best // CODES, best % CODES
            rest = rest.gather(1, partial[..., None].expand(-1, -1, width)) - codebook[code]
            codes = torch.cat([codes.gather(1, partial[..., None].expand(-1, -1, codes.shape[2])), code[..., None]], 2)
        return codes[:, 0]  # the best comes first

    def decode(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The sum of the codes, or of the first `lengths` : int64 (n,) of them."""
        total = self.codebooks.new_zeros(len(codes), self.codebooks.shape[2])
        for number, (codebook, column) in enumerate(zip(self.codebooks, codes.T, strict=False)):
            summand = codebook[column]
            total += summand if lengths is None else summand * (number < lengths)[:, None]
        return total

    def codec(self) -> ResidualCodec:
        """With these codebooks."""
        return ResidualCodec(self.codebooks.cpu().numpy(), self.beam, self._transform())

    def _lengths(self, n: int, generator: torch.Generator) -> Tensor:
        most, device = len(self.codebooks), generator.device
        lengths = torch.randint(1, most + 1, (n,), generator=generator, device=device)
        whole = torch.rand(n, generator=generator, device=device) < WHOLE_CODES
        return torch.where(whole, most, lengths)

    @torch.no_grad()
    def _fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:  # noqa: ARG002
        some = torch.from_numpy(vectors[:USERS_OF_MEAN_SOFTMAX]).to(output.weight.device)
        softmax = output.weight.new_zeros(output.out_features)
        for part in some.split(users_at_once(4 * output.out_features, some.device)):
            softmax += output(part).softmax(1).sum(0)
        return decoder_metric(output.weight.cpu().numpy(), (softmax / len(some)).cpu().numpy())

    def _fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        return fit_residual(vectors, len(self.codebooks), self.beam, seed)

    def _parts(self, vectors: Tensor, codes: Tensor) -> Tensor:
        rest, parts = vectors, []
        for codebook, column in zip(self.codebooks, codes.T, strict=True):
            parts.append(rest)
            rest = rest - codebook[column]
        return torch.stack(parts, 1)
