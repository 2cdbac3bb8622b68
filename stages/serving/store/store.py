"""Codes by user in an LMDB environment: looked up in microseconds, changed while others read.

A key is the user's id: a big-endian int64 with its sign bit flipped, so that the order of bytes is that of numbers, or
UTF-8. A value is a byte that says whether there is a code, the code, and the CRC-32 of key and all before it: LMDB has
no checksums, and a damaged page shall never score.

Three named databases: `about` (format, package, kind of ids), `built` (the users of the bulk build, in full pages) and
`changed` (those that came or changed since). An upsert writes to `changed` alone: to change 1 % of 50 million users at
random places of one tree would write six pages in ten of it again.

The folder holds data.mdb, and lock.mdb once it was opened to be written: by that file readers and writers know each
other, and it needs write access of both. Without it nobody has written, and readers take no locks; so a store can be
handed over on a disk that is read-only, and reading adds no file to it.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb
import numpy as np
import pyarrow as pa

from stages.run.errors import UserError, cannot_write, quoted, reason
from stages.run.locks import locked
from stages.serving.ids import Ids, Kind, as_ids, kind_of, sorted_order

FORMAT = 1
DATA, LOCK = "data.mdb", "lock.mdb"
ABOUT, BUILT, CHANGED = b"about", b"built", b"changed"
MAP_SIZE = 2**40
"""Bytes that a store can grow to; address space alone, which costs nothing."""
READERS = 1024
"""Look-ups at the same moment, by all processes."""
LONGEST_KEY = 511
"""Bytes of a text id (LMDB's limit)."""
BLOCK = 2**17
"""Users that the bulk build writes in one transaction."""
DAMAGE = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.NotFoundError, lmdb.PageNotFoundError, lmdb.PanicError)
SIGN = np.uint64(2**63)
CHECKSUM = 4
"""Bytes."""


@dataclass(frozen=True)
class About:
    """What a store says of itself."""

    format: int
    package: str
    """Digest of the package whose codes these are."""
    n_bytes: int
    """Of a code."""
    ids: Kind


def write_store(folder: Path, users: Ids, codes: np.ndarray, has_code: np.ndarray, package: str) -> None:
    """Write data.mdb of a new store; the same users and codes, in any order, give the same bytes.

    Takes 16 bytes of memory per user beside its arguments. Killed halfway it leaves half a store: write it into a
    folder that `stages.run.files.whole_folder` puts in its place.

    Parameters
    ----------
    folder : an empty folder
    users : (n,), each once
    codes : uint8 (n, n_bytes)
    has_code : bool (n,); the others are kept as users without a code
    package : digest of the package

    Raises
    ------
    UserError
        where a user stands twice or has no id that can be a key; where it can't be written.
    """
    ids = as_ids(users, "users")
    order = sorted_order(ids, "users")
    about = About(FORMAT, package, codes.shape[1], kind_of(ids))
    with _in_words(folder, writing=True), _open(folder, lock=False, sync=False) as environment:
        about_db, built, _ = (environment.open_db(name) for name in (ABOUT, BUILT, CHANGED))
        with environment.begin(write=True, db=about_db) as transaction:
            transaction.put(ABOUT, _sealed(ABOUT, json.dumps(asdict(about)).encode()))
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            keys = _keys(ids.take(pa.array(block)))
            with environment.begin(write=True, db=built) as transaction:
                transaction.cursor().putmulti(_records(keys, codes[block], has_code[block]), append=True)
        environment.sync(True)


def open_store(path: Path, package: str | None = None, writable: bool = False) -> "Store":
    """Open a store, as a context manager or until `close`; each process opens its own, and only once.

    Parameters
    ----------
    package : digest of the package that is to score; None for any
    writable : whether `upsert` and `delete` are wanted

    Raises
    ------
    UserError
        where there is none, it is damaged or of a newer format, holds codes of another package, or may not be opened.
    """
    data = path / DATA
    if not data.is_file():
        raise UserError(f"{path} is no store of users: there is no {DATA} in it; build one from codes")
    with _in_words(path, writing=writable):
        store = Store(path, writable)
    try:
        if package is not None and store.package_digest != package:
            raise UserError(
                f"{path} holds codes of the package {store.package_digest}, not of {package}; codes of two packages "
                "never mix: take that package, or build a store of this one's codes"
            )
    except UserError:
        store.close()
        raise
    return store


class Store:
    """An open store; `open_store` makes it. Threads may share it."""

    def __init__(self, path: Path, writable: bool) -> None:
        self.path = path
        self._writable = writable
        self._open()
        try:
            with self._environment.begin(db=self._about) as transaction:
                record = transaction.get(ABOUT, b"")
            about = json.loads(_content(ABOUT, record, path))
            if about["format"] > FORMAT:
                raise UserError(
                    f"{path} is of format {about['format']}, which this version does not know; take a newer one"
                )
            self.about = About(**about)
        except BaseException:
            self.close()
            raise
        self._width = 1 + self.n_bytes + CHECKSUM

    def _open(self) -> None:
        data = self.path / DATA
        self._environment = _open(self.path, not self._writable, self._writable or (self.path / LOCK).exists())
        try:
            self._inode = data.stat().st_ino
            if self._writable:
                self._environment.reader_check()  # pages that a killed reader looked at can be used again
            info, page = self._environment.info(), self._environment.stat()["psize"]
            if data.stat().st_size < (info["last_pgno"] + 1) * page:  # to read behind its end would end the process
                raise _damaged(self.path, "it was cut")
            self._about, self._built, self._changed = (
                self._environment.open_db(name, create=False) for name in (ABOUT, BUILT, CHANGED)
            )
        except BaseException:
            self._environment.close()
            raise

    def close(self) -> None:
        """Give the files back."""
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def package_digest(self) -> str:
        """Of the package whose codes these are."""
        return self.about.package

    @property
    def n_bytes(self) -> int:
        """Bytes of a code."""
        return self.about.n_bytes

    @property
    def kind_of_ids(self) -> Kind:
        """Of the users: integers or text."""
        return self.about.ids

    def __len__(self) -> int:
        """Number of users; takes as long as a look-up of all that have changed since the build."""
        with self._reading() as transaction:
            n_users = transaction.stat(self._built)["entries"] + transaction.stat(self._changed)["entries"]
            changed = transaction.cursor(self._changed).iternext(values=False)
            return n_users - len(transaction.cursor(self._built).getmulti(changed, values=False))

    def code(self, user: int | str) -> bytes | None:
        """A user's code, n_bytes long; None of a user without one, who gets the popularity list.

        Raises
        ------
        UserError
            where the store does not know the user, or is damaged.
        """
        key = self._key(user)
        with self._reading() as transaction:
            record = transaction.get(key, db=self._changed) or transaction.get(key, db=self._built)
        if record is None:
            raise self._unknown([key])
        content = _content(key, record, self.path)
        if len(record) != self._width:
            raise _damaged(self.path, "a code has another length")
        return content[1:] if content[0] else None

    def codes(self, users: Ids) -> tuple[np.ndarray, np.ndarray]:
        """Codes of several users, all of one moment.

        Parameters
        ----------
        users : (n,), in any order; one may stand there twice

        Returns
        -------
        codes : uint8 (n, n_bytes); zeros for a user without a code
        has_code : bool (n,); False of a user without a code, who gets the popularity list

        Raises
        ------
        UserError
            as in `code`.
        """
        keys = self._keys_of(users)
        with self._reading() as transaction:
            found = self._found(transaction, keys)
        if len(found) < len(set(keys)):
            raise self._unknown([key for key in dict.fromkeys(keys) if key not in found])
        return self._decoded(keys, [found[key] for key in keys])

    def batches(self, size: int, after: int | str | None = None) -> Iterator[tuple[pa.Array, np.ndarray, np.ndarray]]:
        """All users in ascending order, `size` at once: their ids, and what `codes` returns; each batch of one moment.

        Parameters
        ----------
        after : the user behind which it begins
        """
        last = b"" if after is None else self._key(after)
        while True:
            found: dict[bytes, bytes] = {}
            with self._reading() as transaction:
                for database in (self._built, self._changed):
                    cursor = transaction.cursor(database)
                    if cursor.set_range(last) if last else cursor.first():
                        found |= islice(((k, v) for k, v in cursor if k != last), size)
            if not found:
                return
            keys = sorted(found)[:size]
            last = keys[-1]
            yield self._ids(keys), *self._decoded(keys, [found[key] for key in keys])

    def upsert(
        self, users: Ids, codes: np.ndarray, has_code: np.ndarray | None = None, package: str | None = None
    ) -> None:
        """Add users, or change the codes of those who are there: all of them, or on an error none.

        Parameters
        ----------
        users : (n,), each once
        codes : uint8 (n, n_bytes)
        has_code : bool (n,); None where all have one
        package : digest of the package that the codes are of, which has to be the store's; None where that is known

        Raises
        ------
        UserError
            where codes are of another length or package, a user stands twice or has no id that can be a key, another
            process writes, or the disk is full.
        """
        if package is not None and package != self.package_digest:
            raise UserError(
                f"{self.path} holds codes of the package {self.package_digest}, and these are of {package}; codes of "
                "two packages never mix: build a new store of these"
            )
        if codes.dtype != np.uint8 or codes.shape[1:] != (self.n_bytes,):
            raise UserError(
                f"{self.path} holds codes of {self.n_bytes} bytes, not {codes.dtype} {codes.shape}; upsert codes of "
                "the same row"
            )
        ids = as_ids(users, "users", self.kind_of_ids)
        order = sorted_order(ids, "users")
        has = np.ones(len(ids), bool) if has_code is None else has_code
        keys = _keys(ids.take(pa.array(order)))
        with self._writing() as transaction:
            transaction.cursor(self._changed).putmulti(_records(keys, codes[order], has[order]))

    def delete(self, users: Ids) -> int:
        """Forget users, all at once; returns how many of them were there.

        Their bytes may stay in free pages of the file until later writes take those; a new build leaves nothing.

        Raises
        ------
        UserError
            where another process writes, or the disk is full.
        """
        with self._writing() as transaction:
            forgotten = 0
            for key in sorted(set(self._keys_of(users))):
                forgotten += max(transaction.delete(key, db=self._built), transaction.delete(key, db=self._changed))
        return forgotten

    @contextmanager
    def _reading(self) -> "Iterator[lmdb.Transaction[bytes]]":
        with _in_words(self.path, writing=False), self._environment.begin() as transaction:
            yield transaction

    @contextmanager
    def _writing(self) -> "Iterator[lmdb.Transaction[bytes]]":
        if not self._writable:
            raise UserError(f"{self.path} was opened to be read; open it with writable=True")
        with locked(self.path), _in_words(self.path, writing=True):
            if (self.path / DATA).stat().st_ino != self._inode:
                raise UserError(f"{self.path} was built anew since it was opened; open it again")
            with self._environment.begin(write=True) as transaction:
                yield transaction

    def _found(self, transaction: "lmdb.Transaction[bytes]", keys: list[bytes]) -> dict[bytes, bytes]:
        found = dict(transaction.cursor(self._built).getmulti(keys))
        if transaction.stat(self._changed)["entries"]:
            found |= transaction.cursor(self._changed).getmulti(keys)
        return found

    def _decoded(self, keys: list[bytes], values: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        if any(len(value) != self._width for value in values):
            raise _damaged(self.path, "a code has another length")
        rows = np.frombuffer(b"".join(values), np.uint8).reshape(len(keys), self._width)
        sums = np.array([zlib.crc32(key + value[:-CHECKSUM]) for key, value in zip(keys, values, strict=True)], "<u4")
        if not np.array_equal(rows[:, -CHECKSUM:], sums.view(np.uint8).reshape(-1, CHECKSUM)):
            raise _damaged(self.path, "a checksum is wrong")
        return rows[:, 1:-CHECKSUM].copy(), rows[:, 0] == 1

    def _unknown(self, keys: list[bytes]) -> UserError:
        more = f" and {len(keys) - 1:,} more" if len(keys) > 1 else ""
        return UserError(
            f"{self.path} does not know user {quoted(self._ids(keys[:1])[0].as_py())}{more}; upsert who is new before "
            "they are looked up"
        )

    def _keys_of(self, users: Ids) -> list[bytes]:
        return _keys(as_ids(users, f"users to look up in {self.path}", self.kind_of_ids))

    def _key(self, user: int | str) -> bytes:
        if type(user) is int and self.kind_of_ids == "integers" and -(2**63) <= user < 2**63:
            return (user + 2**63).to_bytes(8, "big")  # ten times as fast as by way of an array
        return self._keys_of([user])[0]

    def _ids(self, keys: list[bytes]) -> pa.Array:
        if self.kind_of_ids == "text":
            return pa.array(keys, pa.large_binary()).cast(pa.large_string())
        numbers = np.frombuffer(b"".join(keys), ">u8").astype(np.uint64) ^ SIGN
        return pa.array(numbers.view(np.int64))


def _open(path: Path, readonly: bool = False, lock: bool = True, sync: bool = True) -> lmdb.Environment:
    return lmdb.open(
        str(path), MAP_SIZE, readonly=readonly, lock=lock, sync=sync, create=False, max_dbs=3, max_spare_txns=1,
        readahead=False,  # a look-up needs one page
        max_readers=READERS,        mode=0o664, lib_version=0,
    )  # fmt: skip


def _keys(ids: pa.Array) -> list[bytes]:
    """Keys of checked ids.

    Raises
    ------
    UserError
        where a text is empty or too long.
    """
    if kind_of(ids) == "integers":
        raw = (ids.to_numpy().view(np.uint64) ^ SIGN).astype(">u8").tobytes()
        return [raw[start : start + 8] for start in range(0, len(raw), 8)]
    keys: list[bytes] = ids.cast(pa.large_binary()).to_pylist()
    wrong = next((key for key in keys if not 0 < len(key) <= LONGEST_KEY), None)
    if wrong is not None:
        raise UserError(
            f"user {quoted(wrong.decode())} has {len(wrong):,} bytes; an id has 1 to {LONGEST_KEY} in a store"
        )
    return keys


def _records(keys: list[bytes], codes: np.ndarray, has_code: np.ndarray) -> Iterable[tuple[bytes, bytes]]:
    rows = np.zeros((len(keys), 1 + codes.shape[1]), np.uint8)
    rows[:, 0] = has_code
    rows[has_code, 1:] = codes[has_code]
    raw, width = rows.tobytes(), rows.shape[1]
    return (
        (key, _sealed(key, raw[start : start + width]))
        for key, start in zip(keys, range(0, len(raw), width), strict=True)
    )


def _sealed(key: bytes, content: bytes) -> bytes:
    return content + zlib.crc32(key + content).to_bytes(CHECKSUM, "little")


def _content(key: bytes, record: bytes, path: Path) -> bytes:
    content = record[:-CHECKSUM]
    if _sealed(key, content) != record:
        raise _damaged(path, "a checksum is wrong")
    return content


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path} is damaged ({what}); build it anew from the codes")


@contextmanager
def _in_words(path: Path, writing: bool) -> Iterator[None]:
    """LMDB's errors as sentences."""
    try:
        yield
    except lmdb.Error as error:
        if isinstance(error, lmdb.ReadersFullError):
            raise UserError(f"{path} is read {READERS} times at once, which is all it can; end some") from error
        if isinstance(error, DAMAGE):
            raise _damaged(path, str(error)) from error
        if error.code <= 0:
            raise UserError(f"cannot open {path}: {error}") from error
        of_system = OSError(error.code, "")
        if writing:
            raise cannot_write(path, of_system) from error
        raise UserError(
            f"cannot read {path}: {reason(of_system)}; give access to it and its {LOCK}, then run this again"
        ) from error
