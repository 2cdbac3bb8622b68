"""The compiled part of `stages.ranking.streamed`."""

import numpy as np
from numba import njit, types

from stages.run.compiled import compiled, read_only

BUCKETS = 128
ROOM = 10
"""Times k: how many items may be so near to the best that rounding cannot tell them apart."""
FLOATS, NUMBERS = types.Array(types.float32, 1, "C"), types.Array(types.int64, 1, "C")
SEEN = (read_only(types.int32, 1), read_only(types.int32, 1), types.int64)
FOUND = (NUMBERS, types.Array(types.float32, 2, "C"), types.Array(types.int32, 2, "C"))


@compiled(types.int64(FLOATS, types.Array(types.int32, 1, "C"), types.int64, types.int64, types.float32, FLOATS))
def keep_best(scores, items, n, k, margin, limit):  # type: ignore[no-untyped-def]
    """Move those that are at most `margin` below the k best of the first n to the front; how many they are.

    limit : float32 (1,), becomes the lowest score that may still be among the k best, or a bit less: scores are counted
        in buckets, which takes a tenth of the time of a partition
    """
    low = high = scores[0]
    for place in range(n):
        low, high = min(low, scores[place]), max(high, scores[place])
    spread = high - low
    if n <= k or not np.float32(1e-30) < spread < np.float32(np.inf):  # else there are no buckets
        return n
    per_unit = (BUCKETS - 1) / spread
    counts = np.zeros(BUCKETS, np.int32)
    for place in range(n):
        counts[int((scores[place] - low) * per_unit)] += 1
    bucket = BUCKETS
    while k > 0:
        bucket -= 1
        k -= counts[bucket]
    limit[0] = low + (bucket - 0.5) / per_unit - margin  # half a bucket for rounding
    lowest, kept = limit[0], 0
    for place in range(n):
        score = scores[place]
        scores[kept], items[kept] = score, items[place]
        kept += score >= lowest
    return kept


@njit(nogil=True)
def without_seen(scores, items, n, seen):  # type: ignore[no-untyped-def]
    """Move those of the first n that are not seen to the front; how many they are. Both ascend."""
    kept, at = 0, np.searchsorted(seen, items[0]) if n else 0
    for place in range(n):
        while at < len(seen) and seen[at] < items[place]:
            at += 1
        scores[kept], items[kept] = scores[place], items[place]
        kept += at == len(seen) or seen[at] != items[place]
    return kept


@compiled(
    types.void(
        read_only(types.float32, 2), read_only(types.float32, 1), types.int64, *SEEN, FLOATS, FLOATS, types.int64,
        *FOUND,
    )
)  # fmt: skip
def collect(products, biases, first, seen, borders, start, margins, limits, k, n_found, scores, items):  # type: ignore[no-untyped-def]
    """Add the items of a block that may be among a user's k best to those that were found before.

    Parameters
    ----------
    products : float32 (n_users, n_block), inner products
    first : the block's first item
    seen, borders, start : items that are left out, ascending for each user; the first user's row in `borders`
    margins : float32 (n_users,), how far below the k-th best a score may be
    limits : float32 (n_users,), the lowest score that may still be among the k best
    n_found, scores, items : what was found; n_found is -1 for a user with more than `ROOM` has room for
    """
    n_users, n_block = products.shape
    of_block = biases[first : first + n_block]
    is_high = np.zeros((n_block + 7) // 8 * 8, np.uint8)
    eight = is_high.view(np.uint64)
    for user in range(n_users):
        n, limit, row = n_found[user], limits[user], products[user]
        if n < 0:
            continue
        for place in range(n_block):  # over whole rows, without a branch: many at once
            is_high[place] = row[place] + of_block[place] >= limit
        new_scores, new_items = scores[user, n:], items[user, n:]
        n_new = 0
        for word in range(len(eight)):
            if eight[word]:
                for place in range(8 * word, min(8 * word + 8, n_block)):
                    # Written in any case, and counted if it is high: a branch would often be guessed wrong.
                    new_scores[n_new], new_items[n_new] = row[place] + of_block[place], first + place
                    n_new += is_high[place]
        n += without_seen(new_scores, new_items, n_new, seen[borders[start + user] : borders[start + user + 1]])
        if n > 2 * k:
            n = keep_best(scores[user], items[user], n, k, margins[user], limits[user : user + 1])
        n_found[user] = n if n <= ROOM * k else -1


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})
def inner_products(user, vectors, items, products):  # type: ignore[no-untyped-def]
    """Of some items with a user; four at once, so that one does not wait for the memory of another."""
    n = len(items)
    for four in range(0, n - n % 4, 4):
        v0, v1 = vectors[items[four]], vectors[items[four + 1]]
        v2, v3 = vectors[items[four + 2]], vectors[items[four + 3]]
        p0 = p1 = p2 = p3 = np.float32(0)
        for i in range(len(user)):
            p0 += user[i] * v0[i]
            p1 += user[i] * v1[i]
            p2 += user[i] * v2[i]
            p3 += user[i] * v3[i]
        products[four], products[four + 1], products[four + 2], products[four + 3] = p0, p1, p2, p3
    for place in range(n - n % 4, n):
        vector, product = vectors[items[place]], np.float32(0)
        for i in range(len(user)):
            product += user[i] * vector[i]
        products[place] = product


@compiled(
    types.void(
        read_only(types.float32, 2), read_only(types.float32, 2), read_only(types.float32, 1), *SEEN, FLOATS, FLOATS,
        *FOUND, types.Array(types.int64, 2, "C"),
    )
)  # fmt: skip
def rank(users, vectors, biases, seen, borders, start, margins, limits, n_found, scores, items, best):  # type: ignore[no-untyped-def]
    """Rank what was found by its scores in float32.

    Parameters
    ----------
    users : float32 (n_users, d)
    vectors, biases : of items, float32 (n_items, d) and (n_items,)
    best : int64 (n_users, k), the result; seen items are last, if at all
    """
    k = best.shape[1]
    for user in range(len(users)):
        if n_found[user] < 0:
            continue
        n = keep_best(scores[user], items[user], n_found[user], k, margins[user], limits[user : user + 1])
        inner_products(users[user], vectors, items[user, :n], scores[user])
        for place in range(n):
            scores[user, place] += biases[items[user, place]]
        order = np.argsort(-scores[user, :n])
        for place in range(min(n, k)):
            best[user, place] = items[user, order[place]]
        for place in range(n, k):
            best[user, place] = seen[borders[start + user] + place - n]
