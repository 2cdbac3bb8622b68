"""The best items by way of groups, against a full sort."""

import pytest
import torch

from stages.ranking.top import top_items


@pytest.mark.parametrize("n_items", [5, 79, 80, 81, 95, 96, 97, 500])
def test_they_are_those_of_a_full_sort_for_any_number_of_items(n_items: int) -> None:
    scores = torch.randn(50, n_items, generator=torch.Generator().manual_seed(0))
    assert torch.equal(top_items(scores, 5), scores.argsort(1, descending=True)[:, :5])


def test_equal_scores_are_as_good_as_each_other_and_no_item_comes_twice() -> None:
    scores = torch.randint(4, (50, 500), generator=torch.Generator().manual_seed(0)).float()
    scores[:, 100:] = -torch.inf
    best = top_items(scores, 120)
    assert torch.equal(scores.gather(1, best), scores.sort(1, descending=True).values[:, :120])
    assert all(len(set(items)) == 120 for items in best.tolist())
