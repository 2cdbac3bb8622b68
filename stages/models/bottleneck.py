"""Product quantization inside training: codebooks by moving averages, gradients straight through (PQ-VAE)."""

import torch
from torch import Tensor, nn

from stages.models.memory import users_at_once
from stages.quantizers.product import CODES

SMOOTHING = 1e-5  # Laplace smoothing of the counts, as in Sonnet's VectorQuantizerEMA


class ProductBottleneck(nn.Module):
    """Replaces each chunk of a vector by the nearest code of the chunk's codebook (Van Balen & Levy 2019).

    The codebooks follow the vectors by moving averages (van den Oord et al. 2017, appendix A.1). Until `start` gives it
    codebooks, vectors pass unchanged.

    Parameters
    ----------
    width : of the vector; a multiple of `chunks`
    chunks : one codebook of 256 codes each
    start_share : of the epochs, trained without quantization
    ema_decay : of the moving averages, per step
    commitment : weight of the commitment loss
    dead_code_share : a code used less than this share of the average is replaced
    """

    codebooks: Tensor
    ema_count: Tensor
    ema_sum: Tensor
    started: Tensor

    def __init__(
        self, width: int, chunks: int, start_share: float, ema_decay: float, commitment: float, dead_code_share: float
    ) -> None:
        super().__init__()
        self.start_share = start_share
        self.ema_decay = ema_decay
        self.commitment = commitment
        self.dead_code_share = dead_code_share
        self.register_buffer("codebooks", torch.zeros(chunks, CODES, width // chunks))  # (M, K, d)
        self.register_buffer("ema_count", torch.zeros(chunks, CODES))  # (M, K) vectors per step
        self.register_buffer("ema_sum", torch.zeros(chunks, CODES, width // chunks))  # (M, K, d)
        self.register_buffer("started", torch.tensor(False))

    def start(self, codebooks: Tensor, vectors: Tensor, batch_size: int) -> None:
        """Take fitted codebooks, and from the vectors they were fitted on how often each code is used a step.

        Parameters
        ----------
        codebooks : float32 (chunks, 256, width / chunks)
        vectors : float32 (n, width)
        batch_size : vectors per training step
        """
        self.codebooks.copy_(codebooks)
        count, _ = self._sums(vectors.view(len(vectors), *self._chunk_shape), self.encode(vectors))
        self.ema_count.copy_(count * (batch_size / len(vectors)))
        self.ema_sum.copy_(self.codebooks * self.ema_count[..., None])
        self.started.fill_(True)

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        """Nearest codes : int64 (n, chunks) of vectors : float32 (n, width)."""
        half_norms = self.codebooks.square().sum(-1)[:, None] / 2  # (M, 1, K)
        transposed = self.codebooks.transpose(1, 2)  # (M, d, K)
        codes = []
        for some in vectors.float().split(users_at_once(4 * half_norms.numel(), vectors.device)):
            chunks = some.view(len(some), *self._chunk_shape).transpose(0, 1)  # (M, n, d)
            distances = torch.baddbmm(half_norms, chunks, transposed, alpha=-1)  # (M, n, K), less ½‖x‖²
            codes.append(distances.min(-1).indices.T)  # argmin takes twice as long
        return torch.cat(codes)

    def decode(self, codes: Tensor) -> Tensor:
        """Vectors : float32 (n, width) of codes : int64 (n, chunks)."""
        chunk = torch.arange(codes.shape[1], device=codes.device)
        return self.codebooks[chunk, codes].flatten(1)  # (n, M, d) → (n, M·d)

    def forward(self, vectors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Quantize, then, in training, move the codebooks.

        Parameters
        ----------
        vectors : float32 (n, width)
        generator : on the vectors' device; draws those that replace dead codes

        Returns
        -------
        quantized : float32 (n, width), whose gradient goes to `vectors` unchanged
        loss : commitment · mean over users of ‖vector − quantized‖²
        """
        if not self.started:
            return vectors, vectors.new_zeros(())
        codes = self.encode(vectors)
        quantized = self.decode(codes)
        loss = self.commitment * (vectors - quantized).square().sum(1).mean()
        if self.training:
            self._update(vectors.detach().float().view(len(vectors), *self._chunk_shape), codes, generator)
        return vectors + (quantized - vectors).detach(), loss

    @property
    def _chunk_shape(self) -> tuple[int, int]:
        return self.codebooks.shape[0], self.codebooks.shape[2]

    def _sums(self, chunks: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Count (M, K) and sum (M, K, d) of the chunks (n, M, d) that have each code."""
        n_chunks, n_codes, width = self.codebooks.shape
        flat = (codes + torch.arange(n_chunks, device=codes.device) * n_codes).flatten()  # (n·M,)
        count = torch.bincount(flat, minlength=n_chunks * n_codes).float()
        total = chunks.new_zeros(n_chunks * n_codes, width).index_add_(0, flat, chunks.reshape(-1, width))
        return count.view(n_chunks, n_codes), total.view_as(self.codebooks)

    def _update(self, chunks: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        count, total = self._sums(chunks, codes)
        self.ema_count.lerp_(count, 1 - self.ema_decay)
        self.ema_sum.lerp_(total, 1 - self.ema_decay)
        per_chunk = self.ema_count.sum(1, keepdim=True)
        smoothed = (self.ema_count + SMOOTHING) / (per_chunk + CODES * SMOOTHING) * per_chunk
        self.codebooks.copy_(self.ema_sum / smoothed[..., None])
        self._replace_dead_codes(chunks, per_chunk / CODES, generator)

    def _replace_dead_codes(self, chunks: Tensor, average: Tensor, generator: torch.Generator) -> None:
        """Move codes that are hardly used onto random vectors of the batch, with the usage of an average code."""
        n_chunks = len(self.codebooks)
        dead = self.ema_count < self.dead_code_share * average  # (M, K)
        users = torch.randint(len(chunks), (n_chunks, CODES), generator=generator, device=chunks.device)
        drawn = chunks[users, torch.arange(n_chunks, device=chunks.device)[:, None]]  # (M, K, d)
        # All three, or the next step's average would undo the replacement.
        self.codebooks.copy_(torch.where(dead[..., None], drawn, self.codebooks))
        self.ema_count.copy_(torch.where(dead, average, self.ema_count))
        self.ema_sum.copy_(torch.where(dead[..., None], drawn * average[..., None], self.ema_sum))
