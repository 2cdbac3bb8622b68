"""The interface of references."""

from abc import abstractmethod

from scipy.sparse import csr_array

from stages.interfaces.recommender import Recommender


class Reference(Recommender):
    """A recommender that is fitted in one step on the CPU, without seed or epochs."""

    @abstractmethod
    def fit(self, train: csr_array) -> None:
        """Fit on interactions; train : (n_users, n_items) 0/1."""
