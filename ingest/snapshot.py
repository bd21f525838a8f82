"""The bytes of a snapshot: plain values in msgpack, then the numpy arrays among them.

    magic, lengths | head: the values, arrays as numbers | table: dtype and shape | the arrays

A snapshot may be 100 MB, and making its bytes takes a second of a processor. So it is made in two
steps: `freeze` holds on to the state of one instant, which takes some milliseconds, and `parts`,
in any thread, makes the bytes of it, without the lock of the interpreter for the most part.
"""

import math
import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 6

_MAGIC = b"TOCSINA\n"
_LENGTHS = struct.Struct("<QQ")  # of head and table
_JOINED = b"TOCSIN2\n"
_LENGTH = struct.Struct("<Q")

_ALIGNMENT = 64  # bytes: a line of the processor's cache
_ARRAY = 1  # msgpack extension: the number of an array

Array: TypeAlias = NDArray[Any]
Part: TypeAlias = bytes | memoryview


class Rows:
    """The rows `places` of an array that goes on changing: copied as it is frozen."""

    def __init__(self, values: Array, places: NDArray[np.intp]) -> None:
        self.values = values
        self.places = places


class Copies:
    """Memory that the copies of a snapshot are made in. State: `needed`, how much they took.

    The event loop waits for these copies, and copying into fresh memory takes ten times as long as
    into memory that was touched before, which any thread can do ahead of it.
    """

    def __init__(self, room: int = 0) -> None:
        """Touches `room` bytes. Copies beyond them are made in fresh memory."""
        self._memory = np.empty(room, np.uint8)
        self._memory[:: mmap.PAGESIZE] = 0
        self.needed = 0

    @property
    def room(self) -> int:
        return len(self._memory)

    @classmethod
    def for_state(cls, state: Mapping[str, Any]) -> Callable[[], "Copies"]:
        """What touches as much memory as `freeze` of `state` takes, to be called by any thread."""
        sizes = _Sizes()
        freeze(state, sizes)
        return partial(cls, sizes.needed)

    def of(self, array: Array) -> Array:
        copy = self._take(array.dtype, array.shape)
        np.copyto(copy, array)
        return copy

    def of_rows(self, rows: Rows) -> Array:
        values = rows.values
        copy = self._take(values.dtype, (len(rows.places), *values.shape[1:]))
        # Only with a mode other than to raise does numpy write where it is to be written at once.
        return values.take(rows.places, axis=0, out=copy, mode="clip")

    def _take(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        begin, size = self.needed, math.prod(shape) * dtype.itemsize
        self.needed += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self.needed > self.room:
            return np.empty(shape, dtype)
        return self._memory[begin : begin + size].view(dtype).reshape(shape)


class _Sizes(Copies):
    """Copies nothing, and counts what copies would take."""

    def of(self, array: Array) -> Array:
        return self._take(array.dtype, array.shape)

    def of_rows(self, rows: Rows) -> Array:
        return self._take(rows.values.dtype, (len(rows.places), *rows.values.shape[1:]))


@dataclass(frozen=True, slots=True)
class Frozen:
    """The state of an instant: values as msgpack, and the arrays in them."""

    head: bytes
    arrays: Sequence[Array]

    def parts(self) -> list[Part]:
        """The bytes of the snapshot, one after the other."""
        table = msgspec.msgpack.encode([(array.dtype.str, array.shape) for array in self.arrays])
        lead = _MAGIC + _LENGTHS.pack(len(self.head), len(table))
        bodies = [
            np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in self.arrays
        ]
        return [lead, self.head, table, *bodies]


def freeze(state: Mapping[str, Any], copies: Copies | None = None) -> Frozen:
    """Hold on to `state`: plain values, `Rows`, and arrays that are new or parts of others.
    `copies` are those of this snapshot alone.
    """
    arrays: list[Array] = []
    copies = copies or Copies()

    def put_aside(value: object) -> object:
        if isinstance(value, np.ndarray):
            array = cast("Array", value)
            arrays.append(array if array.flags.owndata else copies.of(array))
        elif isinstance(value, Rows):
            arrays.append(copies.of_rows(value))
        else:
            raise NotImplementedError(f"{type(value)} cannot be in a snapshot")
        return msgspec.msgpack.Ext(_ARRAY, (len(arrays) - 1).to_bytes(4, "big"))

    head = msgspec.msgpack.encode({"format": FORMAT, **state}, enc_hook=put_aside)
    return Frozen(head, arrays)


def encode(state: Mapping[str, Any]) -> bytes:
    return b"".join(freeze(state).parts())


def decode(data: bytes) -> dict[str, Any]:
    """What `encode` was given; keys of mappings may be numbers. Arrays can be written to.

    Raises ValueError for anything but a snapshot of this format.
    """
    try:
        arrays, head = _arrays(data)
        state = msgspec.msgpack.decode(head, ext_hook=lambda _, place: arrays[_number(place)])
    except (msgspec.DecodeError, ValueError, TypeError, IndexError, struct.error) as error:
        raise ValueError(f"not a snapshot of format {FORMAT}: {error}") from None
    form = cast("dict[str, Any]", state).get("format") if isinstance(state, dict) else None
    if form != FORMAT:
        raise ValueError(f"the snapshot has format {form!r}; expected {FORMAT}")
    return cast("dict[str, Any]", state)


def _arrays(data: bytes) -> tuple[list[Array], memoryview]:
    """The arrays of a snapshot, and its head."""
    if not data.startswith(_MAGIC):
        raise ValueError(f"it begins with {data[: len(_MAGIC)]!r}; expected {_MAGIC!r}")
    head_length, table_length = _LENGTHS.unpack_from(data, len(_MAGIC))
    begin = len(_MAGIC) + _LENGTHS.size
    at = begin + head_length + table_length
    table = msgspec.msgpack.decode(
        memoryview(data)[begin + head_length : at], type=list[tuple[str, tuple[int, ...]]]
    )
    arrays: list[Array] = []
    for dtype, shape in table:
        array = np.empty(shape, np.dtype(dtype))
        flat = array.reshape(-1).view(np.uint8)
        flat[:] = np.frombuffer(data, np.uint8, flat.size, at)
        at += flat.size
        arrays.append(array)
    if at != len(data):
        raise ValueError(f"it has {len(data)} bytes; expected {at}")
    return arrays, memoryview(data)[begin : begin + head_length]


def _number(place: memoryview) -> int:
    return int.from_bytes(place, "big")


def join(own: Sequence[Part], companion: bytes) -> list[Part]:
    """The parts of the pipeline's snapshot and that of a companion as one."""
    return [_JOINED + _LENGTH.pack(sum(map(len, own))), *own, companion]


def split(content: bytes) -> tuple[bytes, bytes]:
    """What `join` was given. Snapshots from before there were companions have an empty one."""
    head = len(_JOINED) + _LENGTH.size
    if not content.startswith(_JOINED) or len(content) < head:
        return content, b""
    (length,) = _LENGTH.unpack_from(content, len(_JOINED))
    return content[head : head + length], content[head + length :]
