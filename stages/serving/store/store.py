"""Codes by user in an LMDB environment: looked up in microseconds, changed while others read.

A key is the user's id: a big-endian int64 with its sign bit flipped, so that the order of bytes is that of numbers, or
UTF-8. A value is a byte that says whether there is a code, the code, and the CRC-32 of key and all before it: LMDB has
no checksums, and a damaged page shall never score.

Three named databases: `about` (format, package, kind of ids), `built` (the users of the bulk build, in full pages) and
`changed` (those that came or changed since). An upsert writes to `changed` alone: to change 1 % of 50 million users at
random places of one tree would write six pages in ten of it again. A value in `changed` ends with the key before it,
and a last key is always there: so the next key proves that a user has not changed, and a page that is lost is noticed
where the code of the build would else be taken for the user's. The last key's value is the number of the transaction
that wrote it, by which a root of an earlier moment is noticed when a store is opened. (Only where the number of a page
is damaged may a reader be ended by the system, SIGBUS, as that page would lie behind the end of the file.)

The folder holds data.mdb, and lock.mdb once it was opened to be written: by that file readers and writers know each
other, and it needs write access of both. Without it nobody has written, and readers take no locks; so a store can be
handed over on a disk that is read-only, and reading adds no file to it.
"""

import json
import os
import sys
import zlib
from bisect import bisect_left
from collections.abc import Iterator
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
"""Users whose records are made at once; the bulk build writes as many in one transaction."""
DAMAGE = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.NotFoundError, lmdb.PageNotFoundError, lmdb.PanicError)
LAST = b"\xff" * 9
"""Key of `changed` that is above all users."""
NUMBER = slice(144, 152)
"""Bytes of a header with the number of its transaction (LMDB's MDB_meta of data format 1)."""
LOST = "users are missing"
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
        about_db, built, changed = (environment.open_db(name) for name in (ABOUT, BUILT, CHANGED))
        with environment.begin(write=True) as transaction:
            transaction.put(ABOUT, _sealed(ABOUT, json.dumps(asdict(about)).encode()), db=about_db)
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            keys = _keys(ids.take(pa.array(block)))
            with environment.begin(write=True, db=built) as transaction:
                contents = _contents(codes[block], has_code[block])
                records = ((key, _sealed(key, content)) for key, content in zip(keys, contents, strict=True))
                transaction.cursor().putmulti(records, append=True)
        with environment.begin(write=True, db=changed) as transaction:
            transaction.put(LAST, _sealed(LAST, _stamp(transaction, 1 + about.n_bytes)))
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
    if not (data.is_file() and data.stat().st_size):
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
        self._environment = _open(path, not writable, lock=writable or (path / LOCK).exists())
        try:
            if writable:
                self._environment.reader_check()  # pages that a killed reader looked at can be used again
            self._check_file()
            self._about, self._built, self._changed = (
                self._environment.open_db(name, create=False) for name in (ABOUT, BUILT, CHANGED)
            )
            with self._environment.begin() as transaction:
                about = json.loads(_content(ABOUT, transaction.get(ABOUT, b"", self._about), path))
                if about["format"] > FORMAT:
                    raise UserError(f"{path} is of format {about['format']}, newer than this version; take a newer one")
                self.about = About(**about)
                self._width = 1 + self.n_bytes
                written = self._changed_at(transaction.cursor(self._changed), LAST)[1]
                if written != _stamp(transaction, self._width):
                    raise _damaged(path, "it leads to an earlier moment")
        except BaseException:
            self.close()
            raise

    def _check_file(self) -> None:
        """What LMDB does not check of data.mdb when it opens it."""
        info, page = self._environment.info(), self._environment.stat()["psize"]
        with (self.path / DATA).open("rb") as file:
            status = os.fstat(file.fileno())
            # Two headers, which transactions write in turn: the later one counts.
            first, second = (int.from_bytes(file.read(page)[NUMBER], sys.byteorder) for _ in range(2))
        self._inode = status.st_ino
        if status.st_size < (info["last_pgno"] + 1) * page:  # to read behind its end would end the process
            raise _damaged(self.path, "it was cut")
        if abs(first - second) != 1:
            raise _damaged(self.path, "its last transaction is lost")

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
            n_users = transaction.stat(self._built)["entries"] + transaction.stat(self._changed)["entries"] - 1
            changed = transaction.cursor(self._changed).iternext(values=False)
            return n_users - len(transaction.cursor(self._built).getmulti(changed, values=False))

    def code(self, user: int | str) -> bytes | None:
        """A user's code, n_bytes long; None of a user without one, who gets the popularity list.

        Raises
        ------
        UserError
            where the store does not know the user, or is damaged.
        """
        with self._reading() as transaction:
            content = self._found(transaction, [self._key(user)])[0]
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
            return self._decoded(self._found(transaction, keys))

    def batches(self, size: int, after: int | str | None = None) -> Iterator[tuple[pa.Array, np.ndarray, np.ndarray]]:
        """All users in ascending order, `size` at once: their ids, and what `codes` returns; each batch of one moment.

        Parameters
        ----------
        after : the user behind which it begins
        """
        last = b"" if after is None else self._key(after)
        while True:
            with self._reading() as transaction:
                found = dict(islice(self._built_after(transaction, last), size))
                found |= islice(self._changed_after(transaction, last), size)
            if not found:
                return
            keys = sorted(found)[:size]
            last = keys[-1]
            yield self._ids(keys), *self._decoded([found[key] for key in keys])

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
        where = f"users for {self.path}"
        ids = as_ids(users, where, self.kind_of_ids)
        order = sorted_order(ids, where)
        has = np.ones(len(ids), bool) if has_code is None else has_code
        with self._writing() as transaction:
            cursor = transaction.cursor(self._changed)
            for start in range(0, len(order), BLOCK):
                block = order[start : start + BLOCK]
                self._insert(cursor, _keys(ids.take(pa.array(block))), _contents(codes[block], has[block]))

    def _insert(self, cursor: "lmdb.Cursor[bytes]", keys: list[bytes], contents: list[bytes]) -> None:
        """Put users into `changed`, in ascending order."""
        start = 0
        while start < len(keys):
            after, content_after, before = self._changed_at(cursor, keys[start])
            stop = start + 1 if after == keys[start] else bisect_left(keys, after, start)
            for key, content in zip(keys[start:stop], contents[start:stop], strict=True):
                cursor.put(key, _sealed(key, content + before))
                before = key
            if after != before:
                cursor.put(after, _sealed(after, content_after + before))
            start = stop

    def delete(self, users: Ids) -> int:
        """Forget users, all at once; returns how many of them were there.

        Their bytes may stay in free pages of the file until later writes take those; a new build leaves nothing.

        Raises
        ------
        UserError
            where another process writes, or the disk is full.
        """
        with self._writing() as transaction:
            cursor, forgotten = transaction.cursor(self._changed), 0
            for key in sorted(set(self._keys_of(users))):
                found, _, before = self._changed_at(cursor, key)
                if found == key:
                    after, content, _ = self._changed_at(cursor, key + b"\0")
                    cursor.put(after, _sealed(after, content + before))
                    transaction.delete(key, db=self._changed)
                forgotten += transaction.delete(key, db=self._built) or found == key
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
                cursor = transaction.cursor(self._changed)
                _, _, before = self._changed_at(cursor, LAST)
                cursor.put(LAST, _sealed(LAST, _stamp(transaction, self._width) + before))

    def _found(self, transaction: "lmdb.Transaction[bytes]", keys: list[bytes]) -> list[bytes]:
        """What is stored of each user, checked: the byte that says whether there is a code, and the code."""
        found, width = {}, self._width
        if transaction.stat(self._changed)["entries"] > 1:
            cursor = transaction.cursor(self._changed)
            # As `_changed_at`, for many at once.
            next_ones = [cursor.item() for key in keys if cursor.set_range(key)]
            self._check(next_ones)
            if len(next_ones) < len(keys) or any(
                record[width:-CHECKSUM] >= key for key, (_, record) in zip(keys, next_ones, strict=True)
            ):
                raise _damaged(self.path, LOST)
            found = {key: record[:width] for key, (after, record) in zip(keys, next_ones, strict=True) if after == key}
        of_build = transaction.cursor(self._built).getmulti(
            [key for key in keys if key not in found] if found else keys
        )
        self._check(of_build)
        found |= {key: record[:width] for key, record in of_build}
        if len(found) < len(keys) and (unknown := [key for key in dict.fromkeys(keys) if key not in found]):
            raise self._unknown(unknown)
        return [found[key] for key in keys]

    def _check(self, items: list[tuple[bytes, bytes]]) -> None:
        """The checksums of keys and records."""
        sums = np.array([zlib.crc32(key + record[:-CHECKSUM]) for key, record in items], "<u4")
        if sums.tobytes() != b"".join([record[-CHECKSUM:] for _, record in items]):
            raise _damaged(self.path, "a checksum is wrong")

    def _changed_at(self, cursor: "lmdb.Cursor[bytes]", key: bytes) -> tuple[bytes, bytes, bytes]:
        """The first key of `changed` that is not below this one, its content, and the key before it."""
        if not cursor.set_range(key):
            raise _damaged(self.path, LOST)
        found, record = cursor.item()
        content = _content(found, record, self.path)
        if content[self._width :] >= key:
            raise _damaged(self.path, LOST)
        return found, content[: self._width], content[self._width :]

    def _built_after(self, transaction: "lmdb.Transaction[bytes]", last: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys of `built` above this one, and their contents."""
        cursor = transaction.cursor(self._built)
        if cursor.set_range(last) if last else cursor.first():
            yield from ((key, _content(key, record, self.path)) for key, record in cursor if key != last)

    def _changed_after(self, transaction: "lmdb.Transaction[bytes]", last: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The same of `changed`."""
        cursor, key = transaction.cursor(self._changed), last
        while True:
            key, content, _ = self._changed_at(cursor, key + b"\0")  # the least key above it
            if key == LAST:
                return
            yield key, content

    def _decoded(self, contents: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        if any(len(content) != self._width for content in contents):
            raise _damaged(self.path, "a code has another length")
        rows = np.frombuffer(b"".join(contents), np.uint8).reshape(len(contents), self._width)
        return rows[:, 1:].copy(), rows[:, 0] == 1

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
        max_readers=READERS, mode=0o664, lib_version=0,
        readahead=False,  # a look-up needs one page
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


def _stamp(transaction: "lmdb.Transaction[bytes]", width: int) -> bytes:
    """The number of a transaction, in the place of a code."""
    return (transaction.id() % 256**width).to_bytes(width, "little")


def _contents(codes: np.ndarray, has_code: np.ndarray) -> list[bytes]:
    """Of each user, a byte that says whether there is a code, and the code."""
    rows = np.zeros((len(codes), 1 + codes.shape[1]), np.uint8)
    rows[:, 0] = has_code
    rows[has_code, 1:] = codes[has_code]
    raw, width = rows.tobytes(), rows.shape[1]
    return [raw[start : start + width] for start in range(0, len(raw), width)]


def _sealed(key: bytes, content: bytes) -> bytes:
    return content + zlib.crc32(key + content).to_bytes(CHECKSUM, "little")


def _content(key: bytes, record: bytes, path: Path) -> bytes:
    """What is in a record, without its checksum; UserError where that is wrong."""
    content = record[:-CHECKSUM]
    if zlib.crc32(key + content) != int.from_bytes(record[-CHECKSUM:], "little"):
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
