"""The compiled part of scoring with tables: from codes to ranked items, user by user, without a pass over all scores.

Integers stay as narrow as they are stored, so that the compiler takes 32 at once. It does as long as every sum is
cast back to int16, and every loop runs from 0 over a contiguous row.
"""

import numpy as np
from numba import njit, types

from stages.run.compiled import N_THREADS as N_THREADS
from stages.run.compiled import compiled, read_only

LOWEST = -32768
FEW = 512  # are put in order sooner by counting than by sorting


@njit(nogil=True)
def _sum_rows(tables, levels, factors, base, code, sums):  # type: ignore[no-untyped-def]
    """sums[i] = base[i] + Σ factor of level · tables[level, code of level, i], in int16."""
    for i in range(len(sums)):
        sums[i] = base[i]
    m = 0
    # Many rows at once: the sums are read and written less often, and the memory is kept busy.
    while m + 10 <= len(levels):
        r0, r1 = tables[m, code[levels[m]]], tables[m + 1, code[levels[m + 1]]]
        r2, r3 = tables[m + 2, code[levels[m + 2]]], tables[m + 3, code[levels[m + 3]]]
        r4, r5 = tables[m + 4, code[levels[m + 4]]], tables[m + 5, code[levels[m + 5]]]
        r6, r7 = tables[m + 6, code[levels[m + 6]]], tables[m + 7, code[levels[m + 7]]]
        r8, r9 = tables[m + 8, code[levels[m + 8]]], tables[m + 9, code[levels[m + 9]]]
        f0, f1, f2, f3, f4 = factors[m], factors[m + 1], factors[m + 2], factors[m + 3], factors[m + 4]
        f5, f6, f7, f8, f9 = factors[m + 5], factors[m + 6], factors[m + 7], factors[m + 8], factors[m + 9]
        for i in range(len(sums)):
            five = r0[i] * f0 + r1[i] * f1 + r2[i] * f2 + r3[i] * f3 + r4[i] * f4
            more = r5[i] * f5 + r6[i] * f6 + r7[i] * f7 + r8[i] * f8 + r9[i] * f9
            sums[i] = np.int16(sums[i] + five + more)
        m += 10
    while m + 4 <= len(levels):
        r0, r1 = tables[m, code[levels[m]]], tables[m + 1, code[levels[m + 1]]]
        r2, r3 = tables[m + 2, code[levels[m + 2]]], tables[m + 3, code[levels[m + 3]]]
        f0, f1, f2, f3 = factors[m], factors[m + 1], factors[m + 2], factors[m + 3]
        for i in range(len(sums)):
            sums[i] = np.int16(sums[i] + r0[i] * f0 + r1[i] * f1 + r2[i] * f2 + r3[i] * f3)
        m += 4
    while m < len(levels):
        r0, f0 = tables[m, code[levels[m]]], factors[m]
        for i in range(len(sums)):
            sums[i] = np.int16(sums[i] + r0[i] * f0)
        m += 1


@njit(nogil=True)
def _maxima(sums, maxima):  # type: ignore[no-untyped-def]
    """Of groups; group g has items g, g + n_groups, g + 2 · n_groups and so on."""
    n_groups = len(maxima)
    for g in range(n_groups):
        maxima[g] = sums[g]
    for member in range(1, len(sums) // n_groups):
        row = sums[member * n_groups : (member + 1) * n_groups]
        for g in range(n_groups):
            maxima[g] = max(maxima[g], row[g])


@njit(nogil=True)
def _nth_largest(values, n, counts):  # type: ignore[no-untyped-def]
    """Of int16 values, by counting their high bytes and then the low ones."""
    counts[:] = 0
    for value in values:
        counts[(np.int64(value) - LOWEST) >> 8] += 1
    high = 255
    while counts[high] < n:
        n -= counts[high]
        high -= 1
    counts[:] = 0
    for value in values:
        place = np.int64(value) - LOWEST
        if place >> 8 == high:
            counts[place & 255] += 1
    low = 255
    while counts[low] < n:
        n -= counts[low]
        low -= 1
    return (high << 8) + low + LOWEST


@njit(nogil=True)
def _reaching(sums, maxima, bound):  # type: ignore[no-untyped-def]
    """Items that reach the bound, int64. No branch depends on a score, which is faster."""
    n_groups, n_reached = len(maxima), 0
    per_group = len(sums) // n_groups
    bound = max(bound, LOWEST + 1)  # at LOWEST are those that are left out
    groups = np.empty(n_groups + 1, np.int64)
    for g in range(n_groups):
        groups[n_reached] = g
        n_reached += maxima[g] >= bound
    items, found = np.empty(n_reached * per_group + 1, np.int64), 0
    for k in range(n_reached):
        item = groups[k]
        for _ in range(per_group):
            items[found] = item
            found += sums[item] >= bound
            item += n_groups
    return items[:found]


@njit(nogil=True)
def _decode(vectors, offset, code, vector):  # type: ignore[no-untyped-def]
    for i in range(len(vector)):
        vector[i] = offset[i]
    for level in range(len(code)):
        row = vectors[level, code[level]]
        for i in range(len(vector)):
            vector[i] += row[i]


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _product(row, vector):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(len(vector)):
        total += row[i] * vector[i]
    return total


@njit(nogil=True)
def _rank(shortlist, scores, top_items, top_scores):  # type: ignore[no-untyped-def]
    """Best first, ties by column: the place of an item is the number of those before it, or for many it is sorted."""
    bits, keys = scores.view(np.uint32), np.empty(len(shortlist), np.int64)
    for k in range(len(shortlist)):
        value = np.int64(bits[k])
        rising = value ^ 0xFFFFFFFF if value >> 31 else value | 0x80000000
        keys[k] = (0xFFFFFFFF - rising) << 31 | shortlist[k]
    if len(shortlist) <= FEW:
        order = np.empty(len(shortlist), np.int64)
        for k in range(len(shortlist)):
            key, place = keys[k], 0
            for other in range(len(shortlist)):
                place += keys[other] < key
            order[place] = k
    else:
        order = np.argsort(keys)
    for place in range(min(len(shortlist), len(top_items))):
        top_items[place], top_scores[place] = shortlist[order[place]], scores[order[place]]
    for place in range(len(shortlist), len(top_items)):
        top_items[place], top_scores[place] = -1, -np.inf


@compiled(
    types.void(
        read_only(types.uint8, 2),
        read_only(types.int64, 1),
        read_only(types.int64, 1),
        types.int64,
        types.int64,
        types.int64,
        types.float64,
        read_only(types.int8, 3),
        read_only(types.int64, 1),
        read_only(types.int16, 1),
        read_only(types.int16, 1),
        read_only(types.float32, 2),
        read_only(types.float32, 3),
        read_only(types.float32, 1),
        read_only(types.float32, 2),
        read_only(types.float32, 1),
        types.Array(types.int64, 2, "C"),
        types.Array(types.float32, 2, "C"),
    )
)
def rank_users(  # type: ignore[no-untyped-def]
    codes,
    seen_items,
    seen_starts,
    first,
    end,
    per_group,
    margin,
    tables,
    levels,
    factors,
    base,
    errors,
    vectors,
    offset,
    weight,
    bias,
    top_items,
    top_scores,
):
    """Rank the items for some users; each is worked out by itself, so the result is the same in any company.

    Parameters
    ----------
    codes : uint8 (n_users, n_bytes)
    seen_items, seen_starts : as `Seen`
    first, end : the users that are ranked: one up to, but without, the other
    per_group : items of which one maximum is taken; divides the number of padded items
    margin : standard deviations of a sum's error by which an item may miss the n-th best sum and still be scored
    tables, levels, factors, base, errors : as in `Int8Tables`
    vectors, offset : as in `Quantizer`
    weight, bias : as in `Items`
    top_items : int64 (n_users, n), written
    top_scores : float32 (n_users, n), written
    """
    sums = np.empty(len(base), np.int16)
    maxima = np.empty(len(base) // per_group, np.int16)
    counts = np.empty(256, np.int64)
    vector = np.empty(len(offset), np.float32)
    for user in range(first, end):
        code = codes[user]
        _sum_rows(tables, levels, factors, base, code, sums)
        for place in range(seen_starts[user], seen_starts[user + 1]):
            sums[seen_items[place]] = LOWEST
        _maxima(sums, maxima)
        variance = np.float32(0)
        for level in range(len(code)):
            variance += errors[level, code[level]]
        bound = _nth_largest(maxima, top_items.shape[1], counts) - np.int64(np.ceil(margin * np.sqrt(variance)))
        shortlist = _reaching(sums, maxima, bound)
        _decode(vectors, offset, code, vector)
        scores = np.empty(len(shortlist), np.float32)
        for k in range(len(shortlist)):
            item = shortlist[k]
            scores[k] = _product(weight[item], vector) + bias[item] + np.float32(0)  # of the two zeros, one
        _rank(shortlist, scores, top_items[user], top_scores[user])
