"""The compiled part of encoding: the search for codes, user by user.

The distances to the 256 codes of a codebook lie side by side, so that the compiler takes 16 at once.
"""

import numpy as np
from numba import njit, types

from stages.run.compiled import N_THREADS as N_THREADS
from stages.run.compiled import compiled, read_only

CODES = 256
LANES = 16


@njit(nogil=True)
def _lowest_of_lanes(distances, row, half, lowest):  # type: ignore[no-untyped-def]
    """The least of a row's distances of codes lane, lane + 16, lane + 32, …, for each lane of the row."""
    for i in range(CODES // 2):
        a, b = distances[row, i], distances[row, i + CODES // 2]
        half[i] = b if b < a else a
    for i in range(CODES // 4):
        a, b = half[i], half[i + CODES // 4]
        half[i] = b if b < a else a
    for i in range(CODES // 8):
        a, b = half[i], half[i + CODES // 8]
        half[i] = b if b < a else a
    for lane in range(LANES):
        a, b = half[lane], half[lane + LANES]
        lowest[row, lane] = b if b < a else a


@njit(nogil=True)
def _bound(lowest, n_rows, n, least, rank):  # type: ignore[no-untyped-def]
    """At least n distances are no larger than this."""
    if n > LANES:
        return np.float32(np.inf)
    for lane in range(LANES):
        least[lane] = lowest[0, lane]
        rank[lane] = 0
    for row in range(1, n_rows):
        for lane in range(LANES):
            least[lane] = lowest[row, lane] if lowest[row, lane] < least[lane] else least[lane]
    for other in range(LANES):
        value = least[other]
        for lane in range(LANES):
            rank[lane] += np.int32(value < least[lane])
    for lane in range(LANES):
        least[lane] = least[lane] if rank[lane] < n else -np.inf
    for i in (8, 4, 2, 1):
        for lane in range(i):
            least[lane] = least[lane] if least[lane] > least[lane + i] else least[lane + i]
    return least[0]


@njit(nogil=True)
def _best(distances, lowest, n_rows, n, bound, best, places):  # type: ignore[no-untyped-def]
    """The n least distances and their places, row · 256 + code, best first; of equal ones, the first."""
    last = n - 1
    for i in range(n):
        best[i], places[i] = bound, n_rows * CODES
    for row in range(n_rows):
        for lane in range(LANES):
            if lowest[row, lane] <= best[last]:
                for code in range(lane, CODES, LANES):
                    distance, place = distances[row, code], row * CODES + code
                    if distance < best[last] or (distance == best[last] and place < places[last]):
                        i = last
                        while i > 0 and (distance < best[i - 1] or (distance == best[i - 1] and place < places[i - 1])):
                            best[i], places[i] = best[i - 1], places[i - 1]
                            i -= 1
                        best[i], places[i] = distance, place


@compiled(
    types.void(
        read_only(types.float32, 3),
        read_only(types.float32, 3),
        types.int64,
        types.int64,
        types.Array(types.uint8, 2, "C"),
    )
)
def nearest_codes(chunks, codes, start, end, nearest):  # type: ignore[no-untyped-def]
    """The nearest code of each chunk, for the users from `start` to `end`; of those as near, the first.

    Parameters
    ----------
    chunks : float32 (n_users, M, width), vectors
    codes : float32 (M, width, 256), codebooks with their codes side by side
    nearest : uint8 (n_users, M), written
    """
    n_chunks, width = codes.shape[:2]
    distances, half = np.empty((1, CODES), np.float32), np.empty(CODES // 2, np.float32)
    lowest = np.empty((1, LANES), np.float32)
    best, places = np.empty(1, np.float32), np.empty(1, np.int64)
    for user in range(start, end):
        for chunk in range(n_chunks):
            for code in range(CODES):
                distances[0, code] = 0
            for axis in range(width):
                value = chunks[user, chunk, axis]
                for code in range(CODES):
                    difference = value - codes[chunk, axis, code]
                    distances[0, code] += difference * difference
            _lowest_of_lanes(distances, 0, half, lowest)
            _best(distances, lowest, 1, 1, lowest[0].min(), best, places)
            nearest[user, chunk] = places[0]


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _products(rest, first, last, codes, products):  # type: ignore[no-untyped-def]
    """Inner products with 256 codes of the four users from `first` on; beyond `last` come those of `last` again.

    Codes are read from a cache that is slower than the sums: once for four users, and four axes at a time.
    """
    u, v, w, z = first, min(first + 1, last), min(first + 2, last), min(first + 3, last)
    width = len(codes)
    for code in range(CODES):
        products[0, code] = products[1, code] = products[2, code] = products[3, code] = 0
    i = 0
    while i + 4 <= width:
        j, k, m = i + 1, i + 2, i + 3
        u0, u1, u2, u3 = rest[u, i], rest[u, j], rest[u, k], rest[u, m]
        v0, v1, v2, v3 = rest[v, i], rest[v, j], rest[v, k], rest[v, m]
        w0, w1, w2, w3 = rest[w, i], rest[w, j], rest[w, k], rest[w, m]
        z0, z1, z2, z3 = rest[z, i], rest[z, j], rest[z, k], rest[z, m]
        for code in range(CODES):
            c0, c1, c2, c3 = codes[i, code], codes[j, code], codes[k, code], codes[m, code]
            products[0, code] += u0 * c0 + u1 * c1 + u2 * c2 + u3 * c3
            products[1, code] += v0 * c0 + v1 * c1 + v2 * c2 + v3 * c3
            products[2, code] += w0 * c0 + w1 * c1 + w2 * c2 + w3 * c3
            products[3, code] += z0 * c0 + z1 * c1 + z2 * c2 + z3 * c3
        i += 4
    while i < width:
        for code in range(CODES):
            products[0, code] += rest[u, i] * codes[i, code]
            products[1, code] += rest[v, i] * codes[i, code]
            products[2, code] += rest[w, i] * codes[i, code]
            products[3, code] += rest[z, i] * codes[i, code]
        i += 1


@compiled(
    types.void(
        types.Array(types.float32, 2, "C"),
        read_only(types.float32, 3),
        read_only(types.float32, 3),
        read_only(types.float32, 2),
        read_only(types.float32, 3),
        types.int64,
        types.int64,
        types.int64,
        types.Array(types.uint8, 3, "C"),
    )
)
def search_beams(rest, codebooks, codes, norms, crossed, beam, start, end, found):  # type: ignore[no-untyped-def]
    """Codes by a beam search over the codebooks in turn, for the users from `start` to `end`.

    Of partial codes as good as each other, the first is kept. Every user is worked out by itself, so the code is the
    same in any company.

    Parameters
    ----------
    rest : float32 (n_users, d), vectors; is changed to what the codes leave of them
    codebooks : float32 (M, 256, d)
    codes : float32 (M, d, 256), the same with the codes side by side
    norms : float32 (M, 256), squared norms of the codes
    crossed : float32 (M · (M - 1) / 2, 256, 256), twice the inner products of codes: of all codebooks before the
        second with the second, of all before the third with the third, and so on
    beam : partial codes that are kept
    found : uint8 (n_users, at least 1, M), written: the codes that are kept at the end, best first
    """
    n_codebooks, _, width = codebooks.shape
    # Of each partial code: its bytes, best first, and how much more it leaves, as a squared norm, than the best: small
    # numbers, which keep the digits that decide.
    paths = np.empty((end - start, beam, n_codebooks), np.uint8)
    extended = np.empty((beam, n_codebooks), np.uint8)
    behind = np.zeros((end - start, beam), np.float32)
    products, distances = np.empty((4, CODES), np.float32), np.empty((beam, CODES), np.float32)
    half, lowest = np.empty(CODES // 2, np.float32), np.empty((beam, LANES), np.float32)
    least, rank = np.empty(LANES, np.float32), np.empty(LANES, np.int32)
    best, places = np.empty(beam, np.float32), np.empty(beam, np.int64)
    n_partial = 1
    for level in range(n_codebooks):
        n_kept = min(n_partial * CODES, beam)
        table = level * (level - 1) // 2
        for user in range(start, end):
            at = user - start
            if at % 4 == 0:
                _products(rest, user, end - 1, codes[level], products)
            for code in range(CODES):
                distances[0, code] = norms[level, code] - np.float32(2) * products[at % 4, code]
            # Partial codes that are still kept have most of their bytes in common: only what differs is added.
            for partial in range(1, n_partial):
                for code in range(CODES):
                    distances[partial, code] = distances[0, code] + behind[at, partial]
                for earlier in range(level):
                    own, of_best = paths[at, partial, earlier], paths[at, 0, earlier]
                    if own != of_best:
                        pair = table + earlier
                        for code in range(CODES):
                            distances[partial, code] += crossed[pair, own, code] - crossed[pair, of_best, code]
            for partial in range(n_partial):
                _lowest_of_lanes(distances, partial, half, lowest)
            bound = _bound(lowest, n_partial, n_kept, least, rank)
            _best(distances, lowest, n_partial, n_kept, bound, best, places)
            for place in range(n_kept):
                behind[at, place] = best[place] - best[0]
                partial = min(places[place] // CODES, n_partial - 1)  # no memory but this, whatever overflows
                for earlier in range(level):
                    extended[place, earlier] = paths[at, partial, earlier]
                extended[place, level] = places[place] % CODES
            for earlier in range(level):
                now, before = extended[0, earlier], paths[at, 0, earlier]
                if now != before:
                    for axis in range(width):
                        rest[user, axis] += codebooks[earlier, before, axis] - codebooks[earlier, now, axis]
            for axis in range(width):
                rest[user, axis] -= codebooks[level, extended[0, level], axis]
            for place in range(n_kept):
                for earlier in range(level + 1):
                    paths[at, place, earlier] = extended[place, earlier]
        n_partial = n_kept
    for user in range(start, end):
        for place in range(min(n_partial, found.shape[1])):
            for level in range(n_codebooks):
                found[user, place, level] = paths[user - start, place, level]
