"""A model of whose users some interactions are stored, to be embedded again at query time."""

from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.codec import Codec, Embeddings, History
from stages.interfaces.recommender import Recommender


class FromHistory(Recommender):
    """Scores from the interactions that are left, by another model.

    Parameters
    ----------
    model : embeds and scores
    """

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = model

    def embed(self, fold_in: csr_array) -> csr_array:
        """The interactions."""
        return fold_in

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: the model's for these interactions."""
        return self.model.score(self.model.embed(csr_array(embeddings)))

    def codec(self) -> Codec:
        """All interactions."""
        return History()
