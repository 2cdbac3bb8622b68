"""The auto-encoder of Liang et al. 2018 with an optional bottleneck on the last hidden layer."""

from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.codebooks.residual import ResidualCodec
from stages.config.strict import Variant
from stages.interfaces.batches import SparseRows, UserItems
from stages.interfaces.codec import Codec, Embeddings, Float16, Float32
from stages.interfaces.recommender import Recommender
from stages.models.bottleneck.bottleneck import Bottleneck
from stages.models.likelihood import Losses, MultinomialLoss, SoftTarget
from stages.models.sampled import SampledLoss
from stages.models.shard import OF_ITEMS, AllItems
from stages.models.sparse import weighted_sum

SHORTEST_SUBSAMPLE = 0.5  # a subsampled history has a random share of the user's items, from this to 1
SUBSAMPLES_TO_START = 4  # per user, at most
VECTORS_TO_START = 65_536  # at most: 256 per code, faiss's own limit for k-means
USERS_TO_FIT = 2**20  # at most, of whom quantizers are fitted after training
BIAS_STD = 0.001  # of a truncated normal, as in Liang's notebook


class AutoEncoder(Recommender):
    """Denoising auto-encoder with tanh layers and a multinomial likelihood over the items (Mult-DAE).

    The last hidden layer is the user's embedding; the output layer turns it into scores.

    Parameters
    ----------
    n_items : width of input and output
    hidden : widths of the layers between input and output
    dropout : share of a user's items that are dropped from the input in training
    bottleneck : module that quantizes the last hidden layer (PQ-VAE, RQ-VAE), or None
    """

    def __init__(self, n_items: int, hidden: list[int], dropout: float, bottleneck: Bottleneck | None = None) -> None:
        super().__init__()
        self.dropout = dropout
        self.bottleneck = bottleneck
        self.shard = AllItems(n_items)
        # One row per item: a user's input is a sum of rows, and the 0/1 matrix is never made dense.
        self.input_weight = nn.Parameter(torch.empty(n_items, hidden[0]))
        self.input_bias = nn.Parameter(torch.empty(hidden[0]))
        self.layers = nn.ModuleList(self._layers(hidden))
        self.output = linear(hidden[-1], n_items)

    def _layers(self, hidden: list[int]) -> list[nn.Linear]:
        return [linear(width, following) for width, following in pairwise(hidden)]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw initial weights as in Liang's notebook: Glorot uniform, biases near zero.

        Parameters
        ----------
        generator : generator on the CPU, so that a GPU starts from the same weights
        """
        for name, parameter in self.named_parameters():
            of_items = name in OF_ITEMS
            drawn = torch.empty(self.shard.n_items, *parameter.shape[1:]) if of_items else torch.empty(parameter.shape)
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(drawn, generator=generator)
            else:
                nn.init.trunc_normal_(drawn, std=BIAS_STD, a=-2 * BIAS_STD, b=2 * BIAS_STD, generator=generator)
            parameter.data.copy_(self.shard.own_rows(drawn) if of_items else drawn)

    def loss(
        self, batch: UserItems, progress: float, generator: torch.Generator, likelihood: MultinomialLoss | SampledLoss
    ) -> Losses:
        """Mean over users of the negative log-likelihood of their items, and the loss with all other terms.

        The likelihood is that of the codes once they learn the items, and else that of the float model.

        Parameters
        ----------
        batch : users whose items are both input and target
        progress : share of the training that is done, from 0 to 1
        generator : generator on the model's device
        likelihood : loss of this model's output layer
        """
        hidden, penalty = self.last_hidden(batch, progress, generator)
        if self.bottleneck is None or not self.bottleneck.is_started:
            of_items = likelihood(hidden, batch)
            return Losses(of_items + penalty, of_items)
        rules = self.bottleneck.rules
        clean = self._clean_hidden(batch) if rules.ema_targets == "clean" or rules.learn_scores else hidden
        if rules.ema_targets == "parts":
            targets = self._subsampled_hidden(batch, generator)
        else:
            targets = clean if rules.ema_targets == "clean" else hidden
        quantized, commitment = self.bottleneck(hidden, targets, generator)
        if not rules.learn_scores:
            of_items = likelihood(quantized, batch)
            return Losses(of_items + commitment + penalty, of_items)
        # The float model keeps learning the items, and the codes learn its scores for the whole input.
        scores = SoftTarget(clean, self.output)
        of_items = likelihood(hidden, batch)
        return Losses(of_items + likelihood(quantized, batch, scores) + commitment + penalty, of_items)

    @property
    def float_share(self) -> float | None:
        """Share of the epochs before codebooks start; None without a bottleneck."""
        return None if self.bottleneck is None else self.bottleneck.rules.float_share

    def start_codebooks(self, train: csr_array, seed: int, batch_size: int, generator: torch.Generator) -> None:
        """Fit the bottleneck's codebooks on embeddings, without dropout, of users drawn from train.

        The histories are subsampled where the moving averages follow subsampled histories.

        Parameters
        ----------
        train : (n_users, n_items) 0/1
        seed : seed of k-means
        batch_size : users per training step
        generator : generator on the model's device; draws users and subsamples

        Raises
        ------
        UserError
            where there are fewer vectors than codes, all are the same, or one is not finite.
        """
        assert self.bottleneck is not None, "a model without bottleneck has no codebooks"
        users = torch.randperm(train.shape[0], generator=generator, device=generator.device)[:VECTORS_TO_START]
        histories = train[users.cpu().numpy()]
        if self.bottleneck.rules.ema_targets == "parts":
            vectors = self.embed_parts(histories, generator)
        else:
            vectors = self.embed(histories)
        self.bottleneck.start(vectors, self.output, seed, batch_size)

    def last_hidden(
        self, batch: UserItems, progress: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | float]:
        """The last hidden layer (n_users, d) with dropout and noise, and the KL term; parameters as in `loss`."""
        visible = torch.rand(len(batch.items), generator=generator, device=batch.items.device) >= self.dropout
        factors = _unit_norm(batch) * visible / (1 - self.dropout)
        return self._last_hidden(self._first_layer(batch, factors), progress, generator)

    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, d) float32: the last hidden layer, before any quantization."""
        return self._clean_hidden(self._on_device(fold_in)).cpu().numpy()

    def embed_parts(self, histories: csr_array, generator: torch.Generator) -> np.ndarray:
        """Up to four subsampled embeddings of each user, float32 (n, d), to fit codebooks on.

        One of each user where that gives 65,536 or more, and of a million users, drawn, where there are more.

        Parameters
        ----------
        histories : (n_users, n_items) 0/1
        generator : generator on the model's device
        """
        n_users = histories.shape[0]
        if n_users > USERS_TO_FIT:
            drawn = torch.randperm(n_users, generator=generator, device=generator.device)[:USERS_TO_FIT]
            histories = histories[drawn.sort().values.cpu().numpy()]
        n_subsamples = max(1, min(SUBSAMPLES_TO_START, VECTORS_TO_START // n_users))
        return np.concatenate([self.embed_subsampled(histories, generator) for _ in range(n_subsamples)])

    def embed_subsampled(self, histories: csr_array, generator: torch.Generator) -> np.ndarray:
        """(n_users, d) float32: embeddings of subsampled histories, as if users had no other items.

        Codebooks fitted on whole histories of train users fit held-out users worse, because fold-in histories are
        shorter, and new to the model.

        Parameters
        ----------
        histories : (n_users, n_items) 0/1
        generator : generator on the model's device
        """
        return self._subsampled_hidden(self._on_device(histories), generator).cpu().numpy()

    @torch.no_grad()
    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: logits of the output layer."""
        return self.output(torch.from_numpy(np.asarray(embeddings)).to(self.output.weight.device))

    def item_vectors(self) -> tuple[Tensor, Tensor]:
        """Weights and biases of the output layer."""
        return self.output.weight, self.output.bias

    def codec(self) -> Codec:
        """The codec of the bottleneck's codebooks; Float32 without a bottleneck, or before its codebooks start."""
        if self.bottleneck is None or not self.bottleneck.is_started:
            return Float32()
        return self.bottleneck.codec()

    @torch.no_grad()
    def _clean_hidden(self, batch: UserItems) -> Tensor:
        """The last hidden layer (n_users, d), without dropout and noise."""
        return self._last_hidden(self._first_layer(batch, _unit_norm(batch)), 1.0, None)[0]

    @torch.no_grad()
    def _subsampled_hidden(self, batch: UserItems, generator: torch.Generator) -> Tensor:
        """The last hidden layer (n_users, d) of subsampled histories, without noise."""
        device = batch.items.device
        draws = torch.rand(len(batch.lengths), generator=generator, device=device)
        shares = SHORTEST_SUBSAMPLE + (1 - SHORTEST_SUBSAMPLE) * draws
        drawn = torch.rand(len(batch.items), generator=generator, device=device) < shares[batch.users]
        lengths = torch.zeros_like(shares).index_add_(0, batch.users, drawn.float())
        factors = drawn * lengths.rsqrt()[batch.users].nan_to_num(posinf=0.0)  # a subsample may be empty
        return self._last_hidden(self._first_layer(batch, factors), 1.0, None)[0]

    def _on_device(self, histories: csr_array) -> UserItems:
        return SparseRows(histories, self.output.weight.device).all()

    def _first_layer(self, batch: UserItems, factors: Tensor) -> Tensor:
        """The first hidden layer before its tanh, (n_users, width); factors : float32 (n_interactions,), the input."""
        own, chosen = self.shard.own(batch)
        return self.shard.summed(weighted_sum(self.input_weight, own, factors[chosen])) + self.input_bias

    def _last_hidden(
        self,
        first: Tensor,
        progress: float,  # noqa: ARG002 (the VAE needs it)
        generator: torch.Generator | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor | float]:
        """The last hidden layer (n_users, d), and the term that it adds to the loss."""
        hidden = first.tanh()
        for layer in self.layers:
            hidden = layer(hidden).tanh()
        return hidden, 0.0


def in_variant(codec: Codec, variant: Variant) -> Codec:
    """The codec for one of the variants in which a model stores its users.

    Parameters
    ----------
    codec : result of `AutoEncoder.codec`
    variant : float16, float32, the length of a residual code's prefix in bytes, or None for `codec` unchanged
    """
    if variant == "float16":
        return Float16()
    return codec.prefix(variant) if isinstance(codec, ResidualCodec) and isinstance(variant, int) else codec


def _unit_norm(batch: UserItems) -> Tensor:
    """Factors of the interactions that give each user's input L2 norm 1 : float32 (n_interactions,)."""
    return batch.lengths.float().rsqrt().index_select(0, batch.users)


def linear(width: int, following: int) -> nn.Linear:
    """A linear layer with uninitialised weights: nn.Linear would draw them from torch's global generator."""
    return nn.utils.skip_init(nn.Linear, width, following)
