"""A store gives back just what was put in, whatever happens to its process, its disk or its bytes."""

import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.run.errors import UserError
from stages.run.locks import locked
from stages.serving.store.store import DATA, LOCK, Store, open_store, write_store
from tests.damage import DAMAGES, Damage
from tests.faults.processes import without_privileges

PACKAGE, OTHER = "a" * 64, "b" * 64
N_USERS, N_BYTES = 600, 5
INTEGERS = (np.random.default_rng(0).permutation(N_USERS) - N_USERS // 2) * 3
TEXTS = [f"user {number} ä" for number in INTEGERS]
CODES = np.random.default_rng(1).integers(0, 256, (N_USERS, N_BYTES), dtype=np.uint8)
HAS_CODE = np.arange(N_USERS) % 10 != 0
CONTEXT = get_context("fork")
"""Of processes that are killed: they have nothing to import."""


def expected(codes: np.ndarray = CODES) -> list[bytes | None]:
    return [code.tobytes() if has else None for code, has in zip(codes, HAS_CODE, strict=True)]


def held(store: Store, users: object = INTEGERS) -> list[bytes | None]:
    codes, has_code = store.codes(users)
    return [code.tobytes() if has else None for code, has in zip(codes, has_code, strict=True)]


@pytest.fixture(params=["integers", "text"])
def users(request: pytest.FixtureRequest) -> np.ndarray | list[str]:
    return INTEGERS if request.param == "integers" else TEXTS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of integer ids."""
    return made(tmp_path / "store", INTEGERS)


def made(path: Path, users: object) -> Path:
    path.mkdir()
    write_store(path, users, CODES, HAS_CODE, PACKAGE)
    return path


def test_what_was_stored_is_found_for_both_kinds_of_ids(tmp_path: Path, users: object) -> None:
    with open_store(made(tmp_path / "store", users), PACKAGE) as store:
        assert len(store) == N_USERS
        assert (store.package_digest, store.n_bytes) == (PACKAGE, N_BYTES)
        assert store.kind_of_ids == ("integers" if users is INTEGERS else "text")
        assert held(store, users) == expected()
        assert [store.code(user) for user in list(users)[:20]] == expected()[:20]  # type: ignore[call-overload]


def test_upserts_one_after_the_other_are_as_one_build_of_the_last_codes(tmp_path: Path, users: object) -> None:
    """Whether between those that have changed, before or behind them, or in their places."""
    store_path, draws = made(tmp_path / "store", users), np.random.default_rng(2)
    right = dict(zip(pa.array(users).to_pylist(), expected(), strict=True))
    with open_store(store_path, writable=True) as store:
        for _ in range(8):
            places = draws.choice(N_USERS, draws.integers(1, 200), replace=False)
            codes, chosen = (
                draws.integers(0, 256, (len(places), N_BYTES), dtype=np.uint8),
                pa.array(users).take(pa.array(places)),
            )
            store.upsert(chosen, codes)
            right |= zip(chosen.to_pylist(), [code.tobytes() for code in codes], strict=True)
            gone = chosen.to_pylist()[::7]
            assert store.delete(gone) == len(gone)
            right = {user: code for user, code in right.items() if user not in gone}
            assert held(store, list(right)) == list(right.values())
            assert len(store) == len(right)
        found = {
            user: code.tobytes() if has else None
            for batch in store.batches(50)
            for user, code, has in zip(batch[0].to_pylist(), *batch[1:], strict=True)
        }
    assert found == right


def test_users_without_a_code_are_marked_and_score_nothing(path: Path) -> None:
    with open_store(path) as store:
        codes, has_code = store.codes(INTEGERS)
        assert store.code(int(INTEGERS[0])) is None
    assert has_code.tolist() == HAS_CODE.tolist()
    assert not codes[~HAS_CODE].any()


def test_a_batch_may_ask_in_any_order_and_twice(path: Path) -> None:
    asked = INTEGERS[[5, 3, 5]]
    with open_store(path) as store:
        assert held(store, asked) == [expected()[place] for place in (5, 3, 5)]
        assert held(store, []) == []


def test_batches_go_through_all_users_in_order_and_from_anyone_on(tmp_path: Path, users: object) -> None:
    ordered = sorted(
        zip(pa.array(users).to_pylist(), expected(), strict=True),
        key=lambda user: str(user[0]).encode() if users is TEXTS else user[0],
    )
    with open_store(made(tmp_path / "store", users), writable=True) as store:
        store.upsert(users[:7], CODES[:7], HAS_CODE[:7])  # type: ignore[index]
        for after in (None, ordered[234][0]):
            found = [
                (user, code.tobytes() if has else None)
                for batch in store.batches(101, after)
                for user, code, has in zip(batch[0].to_pylist(), *batch[1:], strict=True)
            ]
            assert found == ordered[0 if after is None else 235 :]


def test_the_same_users_in_any_order_give_the_same_bytes_and_no_other_file(tmp_path: Path, users: object) -> None:
    ids, stores = pa.array(users), [tmp_path / "one", tmp_path / "other"]
    for store, order in zip(stores, (np.arange(N_USERS), np.random.default_rng(3).permutation(N_USERS)), strict=True):
        store.mkdir()
        write_store(store, ids.take(pa.array(order)), CODES[order], HAS_CODE[order], PACKAGE)
    assert (stores[0] / DATA).read_bytes() == (stores[1] / DATA).read_bytes()
    with open_store(stores[0]) as opened:
        opened.codes(users)
    assert [path.name for path in stores[0].iterdir()] == [DATA]


def test_an_upsert_changes_and_adds_and_leaves_the_others(tmp_path: Path, users: object) -> None:
    path = made(tmp_path / "store", users)
    added = [10**6] if users is INTEGERS else ["somebody new"]
    changed = [*list(users)[:100], *added]  # type: ignore[call-overload]
    codes = CODES[::-1][:101]
    with open_store(path, writable=True) as store:
        store.upsert(changed, codes, package=PACKAGE)
        assert len(store) == N_USERS + 1
        assert held(store, changed) == [code.tobytes() for code in codes]
        store.upsert(changed[:1], codes[:1], np.array([False]))
        assert store.code(changed[0]) is None
    with open_store(path) as store:
        assert held(store, users[100:]) == expected()[100:]  # type: ignore[index]
        assert len(store) == N_USERS + 1


def test_who_is_deleted_is_unknown_changed_or_not(path: Path) -> None:
    gone, absent = INTEGERS[:3], 10**6
    with open_store(path, writable=True) as store:
        store.upsert(gone[:2], CODES[:2])
        assert store.delete([*gone.tolist(), absent]) == 3
        assert store.delete(gone) == 0
        assert len(store) == N_USERS - 3
        with pytest.raises(UserError, match=f"does not know user {gone[0]} and 2 more; upsert"):
            store.codes(INTEGERS)
        with pytest.raises(UserError, match=f"does not know user {gone[1]}; upsert"):
            store.code(int(gone[1]))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_of_64_bits_keep_their_order(tmp_path_factory: pytest.TempPathFactory, ids: set[int]) -> None:
    path = tmp_path_factory.mktemp("store")
    write_store(path, list(ids), CODES[: len(ids)], np.ones(len(ids), bool), PACKAGE)
    with open_store(path) as store:
        (found, _, _), *others = store.batches(len(ids))
        assert (found.to_pylist(), others) == (sorted(ids), [])
        assert [store.code(user) for user in ids] == [code.tobytes() for code in CODES[: len(ids)]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["Ada"], "users to look up in .*: 'Ada' is text; give integers"),
        ([1.5], "1.5 is double"),
        ([True], "True is bool"),
        ([2**70], "too large"),
        ([None], "missing"),
        ([3, None], "missing"),
        ([10**6], "does not know user 1000000; upsert"),
    ],
)
def test_what_can_be_no_user_is_said(path: Path, asked: list[object], said: str) -> None:
    with open_store(path) as store, pytest.raises(UserError, match=said):
        store.codes(asked)
    with open_store(path) as store, pytest.raises(UserError, match=said):
        store.code(asked[-1])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "x" * 512])
def test_text_that_is_no_key_is_said_and_nothing_is_stored(tmp_path: Path, text: str) -> None:
    path = made(tmp_path / "store", TEXTS)
    with open_store(path, writable=True) as store:
        with pytest.raises(UserError, match=rf"has {len(text)} bytes; an id has 1 to 511 in a store"):
            store.upsert(["new", text], CODES[:2])
        assert len(store) == N_USERS
        longest = "x" * 511
        store.upsert([longest], CODES[:1])
        assert store.code(longest) == CODES[0].tobytes()
        assert [batch[0].to_pylist()[-1] for batch in store.batches(N_USERS + 1)] == [longest]
        assert store.delete([longest]) == 1


@pytest.mark.parametrize(
    ("codes", "package", "said"),
    [
        (CODES[:2, :4], PACKAGE, r"holds codes of 5 bytes, not uint8 \(2, 4\)"),
        (CODES[:2].astype(float), PACKAGE, "holds codes of 5 bytes, not float64"),
        (CODES[:2], OTHER, f"package {PACKAGE}, and these are of {OTHER}"),
    ],
)
def test_codes_of_another_length_or_package_are_not_stored(
    path: Path, codes: np.ndarray, package: str, said: str
) -> None:
    with open_store(path, writable=True) as store:
        with pytest.raises(UserError, match=said):
            store.upsert([1, 2], codes, package=package)
        assert held(store) == expected()


def test_a_user_may_stand_only_once_in_what_is_written(path: Path, tmp_path: Path) -> None:
    with open_store(path, writable=True) as store:
        with pytest.raises(UserError, match="7 stands there more than once"):
            store.upsert([7, 8, 7], CODES[:3])
        assert len(store) == N_USERS
    (tmp_path / "new").mkdir()
    with pytest.raises(UserError, match="'b' stands there more than once"):
        write_store(tmp_path / "new", ["b", "a", "b"], CODES[:3], HAS_CODE[:3], PACKAGE)


def test_a_store_of_another_package_is_named_with_both_digests(path: Path) -> None:
    with pytest.raises(UserError, match=f"holds codes of the package {PACKAGE}, not of {OTHER}"):
        open_store(path, OTHER)


@pytest.mark.parametrize("content", [None, b"", b"no LMDB" * 2000])
def test_what_is_no_store_is_said(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / DATA).write_bytes(content)
    with pytest.raises(UserError, match=r"no store of users|is damaged"):
        open_store(tmp_path)


def test_a_store_that_was_cut_is_not_opened(path: Path) -> None:
    content = (path / DATA).read_bytes()
    (path / DATA).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"is damaged \(it was cut\); build it anew"):
        open_store(path)


def test_a_reader_sees_one_moment_while_a_writer_works(path: Path) -> None:
    """Each batch is all old or all new, and none is disturbed."""
    with open_store(path, writable=True):
        pass  # from now on, lock.mdb is there
    with running(upsert_for_ever, path), open_store(path) as store:
        seen = {frozenset(np.unique(store.codes(INTEGERS[HAS_CODE][:500])[0]).tolist()) for _ in range(300)}
    rounds = {next(iter(values)) for values in seen if len(values) == 1}
    mixed = {values for values in seen if len(values) > 1} - {frozenset(range(256))}
    assert not mixed
    assert len(rounds) > 2


def upsert_for_ever(path: Path) -> None:
    with open_store(path, writable=True) as store:
        for number in range(10**9):
            store.upsert(INTEGERS, np.full_like(CODES, number % 256))


@contextmanager
def running(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    process = CONTEXT.Process(target=work, args=arguments)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_is_killed_leaves_all_or_nothing_and_the_next_ends_the_same(path: Path, seed: int) -> None:
    process = CONTEXT.Process(target=upsert_reversed, args=(path,))
    process.start()
    process.join(Random(seed).random() * 0.03)  # noqa: S311
    process.kill()
    process.join()
    with open_store(path, writable=True) as store:
        assert held(store) in (expected(), expected(CODES[::-1]))
        upsert_reversed_in(store)
        assert held(store) == expected(CODES[::-1])


def upsert_reversed(path: Path) -> None:
    with open_store(path, writable=True) as store:
        upsert_reversed_in(store)


def upsert_reversed_in(store: Store) -> None:
    store.upsert(INTEGERS, np.ascontiguousarray(CODES[::-1]), HAS_CODE)


def test_threads_share_an_open_store(path: Path) -> None:
    with open_store(path, writable=True) as store, ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: held(store), range(40))
        upsert_reversed_in(store)
        assert all(codes in (expected(), expected(CODES[::-1])) for codes in found)


def test_a_store_is_read_where_nothing_may_be_written(path: Path) -> None:
    (path / DATA).chmod(0o444)
    path.chmod(0o555)
    assert unprivileged(path, writable=False) == "read"
    assert "Permission denied; make room or give access" in unprivileged(path, writable=True)
    path.chmod(0o755)
    (path / LOCK).touch(0o444)  # a writer's, of another user
    assert unprivileged(path, writable=False) == (
        f"cannot read {path}: Permission denied; give access to it and its lock.mdb, then run this again"
    )


def unprivileged(path: Path, writable: bool) -> str:
    """What a process says that may not do more than others."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=look_up_unprivileged, args=(path, writable, sender))
    process.start()
    process.join()
    return str(receiver.recv())


def look_up_unprivileged(path: Path, writable: bool, sender: Connection) -> None:
    without_privileges()
    try:
        with open_store(path, PACKAGE, writable) as store:
            assert held(store) == expected()
        sender.send("read")
    except UserError as error:
        sender.send(str(error))


def test_two_writers_at_once_the_second_names_the_first(path: Path) -> None:
    with open_store(path, writable=True) as store, locked(path), pytest.raises(UserError, match="is being written by"):
        store.upsert([1], CODES[:1])


def test_a_writer_notices_that_the_store_was_built_anew(path: Path, tmp_path: Path) -> None:
    with open_store(path, writable=True) as store:
        path.rename(tmp_path / "old")
        made(path, INTEGERS)
        with pytest.raises(UserError, match="was built anew since it was opened; open it again"):
            store.upsert([1], CODES[:1])


def test_a_store_opened_to_be_read_is_not_written(path: Path) -> None:
    with open_store(path) as store, pytest.raises(UserError, match="was opened to be read"):
        store.delete([1])


def test_a_disk_that_is_full_is_said_and_the_store_is_as_before(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open_store(path, writable=True) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, ((path / DATA).stat().st_size, hard))
        try:
            with pytest.raises(UserError, match=rf"cannot write {path}: File too large; make room"):
                upsert_reversed_in(store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
    with open_store(path, writable=True) as store:
        assert held(store) == expected()
        upsert_reversed_in(store)
        assert held(store) == expected(CODES[::-1])


@settings(max_examples=40, deadline=None)
@given(damage=DAMAGES, changed=st.booleans())
def test_a_damaged_store_never_gives_a_wrong_code(
    tmp_path_factory: pytest.TempPathFactory, damage: Damage, changed: bool
) -> None:
    path = made(tmp_path_factory.mktemp("damaged") / "store", INTEGERS)
    with open_store(path, writable=True) as store:
        if changed:
            upsert_reversed_in(store)
    content = (path / DATA).read_bytes()
    (path / DATA).write_bytes(damage.of(content))
    process = CONTEXT.Process(target=look_everybody_up, args=(path, CODES[::-1] if changed else CODES))
    process.start()
    process.join()
    # A number of a page that is wrong leads behind the end of the file: the process ends, but nothing is scored.
    assert process.exitcode in (0, -signal.SIGBUS)


def look_everybody_up(path: Path, codes: np.ndarray) -> None:
    right = expected(codes)
    try:
        store = open_store(path, PACKAGE)
    except UserError:
        return
    for user, code in zip(INTEGERS.tolist(), right, strict=True):
        try:
            found = store.code(user)
        except UserError:
            continue
        assert found == code
