"""Codebooks that follow their targets by exponential moving averages (van den Oord et al. 2017, appendix A.1)."""

import torch
from torch import Tensor, nn

SMOOTHING = 1e-5  # Laplace smoothing of the counts, as in Sonnet's VectorQuantizerEMA


class MovingCodebooks(nn.Module):
    """Codebooks in which each code is the moving average of the targets assigned to it.

    Parameters
    ----------
    shape : (M, K, d): number of codebooks, codes per codebook, width of a code
    decay : decay of the moving averages, per step
    dead_code_share : a code is replaced once its use falls below this share of the average use of a code
    """

    codebooks: Tensor
    """float32 (M, K, d), the codes."""
    ema_count: Tensor
    """float32 (M, K), moving average of the number of targets of each code, per step."""
    ema_sum: Tensor
    """float32 (M, K, d), moving average of the sum of the targets of each code, per step."""

    def __init__(self, shape: tuple[int, int, int], decay: float, dead_code_share: float) -> None:
        super().__init__()
        self.decay = decay
        self.dead_code_share = dead_code_share
        self.register_buffer("codebooks", torch.zeros(shape))
        self.register_buffer("ema_count", torch.zeros(shape[:2]))
        self.register_buffer("ema_sum", torch.zeros(shape))

    def start(self, count: Tensor) -> None:
        """Start the averages at the current codebooks; count : float32 (M, K), expected uses of each code per step."""
        self.ema_count.copy_(count)
        self.ema_sum.copy_(self.codebooks * self.ema_count[..., None])

    def count(self, codes: Tensor) -> Tensor:
        """Number of uses of each code, float32 (M, K); codes : int64 (n, M)."""
        n_codebooks, n_codes = self.ema_count.shape
        numbers = self._numbers(codes)
        used = torch.zeros_like(self.ema_count).view(-1).index_add_(0, numbers, self.ema_count.new_ones(len(numbers)))
        return used.view(n_codebooks, n_codes)

    @torch.no_grad()
    def update(self, targets: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Update the averages by one step, set the codebooks to them, and replace dead codes by random targets.

        Parameters
        ----------
        targets : float32 (n, M, d), vectors that each codebook had to encode
        codes : int64 (n, M), codes of the targets
        generator : generator on the codebooks' device; draws the targets that replace dead codes
        """
        n_codes = self.ema_count.shape[1]
        weight = 1 - self.decay
        self.ema_count.lerp_(self.count(codes), weight)
        width = targets.shape[2]
        self.ema_sum.mul_(self.decay)
        self.ema_sum.view(-1, width).index_add_(0, self._numbers(codes), targets.reshape(-1, width), alpha=weight)
        per_codebook = self.ema_count.sum(1, keepdim=True)  # (M, 1)
        smoothed = (self.ema_count + SMOOTHING) / (per_codebook + n_codes * SMOOTHING) * per_codebook
        torch.div(self.ema_sum, smoothed[..., None], out=self.codebooks)
        self._replace_dead_codes(targets, per_codebook / n_codes, generator)

    def _numbers(self, codes: Tensor) -> Tensor:
        """Codes (n, M) numbered through all codebooks, int64 (n · M,)."""
        n_codebooks, n_codes = self.ema_count.shape
        return (codes + torch.arange(n_codebooks, device=codes.device) * n_codes).flatten()

    def _replace_dead_codes(self, targets: Tensor, average: Tensor, generator: torch.Generator) -> None:
        """Replace rarely used codes by random targets of the batch; average : (M, 1), mean use per codebook."""
        n_codebooks, n_codes = self.ema_count.shape
        dead = self.ema_count < self.dead_code_share * average  # (M, K)
        users = torch.randint(len(targets), (n_codebooks, n_codes), generator=generator, device=targets.device)
        if dead.device.type == "cpu" and not dead.any():  # to ask a GPU would take longer than to do it
            return
        drawn = targets[users, torch.arange(n_codebooks, device=users.device)[:, None]]  # (M, K, d)
        # The averages are set too: else the next step would undo the replacement.
        for values, replacements in (
            (self.codebooks, drawn),
            (self.ema_sum, drawn * average[..., None]),
        ):
            torch.where(dead[..., None], replacements, values, out=values)
        torch.where(dead, average, self.ema_count, out=self.ema_count)
