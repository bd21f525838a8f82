"""The bytes of a snapshot: plain values in msgpack, then the numpy arrays among them.

    magic, lengths | head: the values, arrays as numbers | table: dtype and shape | the arrays

A snapshot may be 100 MB, and making its bytes takes a second of a processor. So it is made in two
steps: `freeze` holds on to the state of one instant, which takes some milliseconds, and `parts`,
in any thread, makes the bytes of it, without the lock of the interpreter for the most part.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 3

_MAGIC = b"TOCSINA\n"
_LENGTHS = struct.Struct("<QQ")  # of head and table
_JOINED = b"TOCSIN2\n"
_LENGTH = struct.Struct("<Q")

_ARRAY = 1  # msgpack extension: the number of an array

Array: TypeAlias = NDArray[Any]
Part: TypeAlias = bytes | memoryview


class Rows:
    """The rows `places` of an array that goes on changing: copied as it is frozen."""

    def __init__(self, values: Array, places: NDArray[np.intp]) -> None:
        self.values = values
        self.places = places


class Later:
    """An array that `work` makes in another thread, out of copies of arrays that go on changing."""

    def __init__(self, work: Callable[..., Array], *arrays: Array) -> None:
        self.work = work
        self.arrays = arrays


class Copies:
    """State: the memory of the copies that the last snapshot was made of.

    The event loop waits for these copies, and copying into fresh memory takes ten times as long as
    into memory that was used before.
    """

    def __init__(self) -> None:
        self._buffers: list[NDArray[np.uint8]] = []
        self._used = 0

    def begin(self) -> None:
        """Copies made from now on may take the place of those made before."""
        del self._buffers[self._used :]
        self._used = 0

    def of(self, array: Array) -> Array:
        copy = self._room(array.dtype, array.shape)
        np.copyto(copy, array)
        return copy

    def of_rows(self, rows: Rows) -> Array:
        values = rows.values
        copy = self._room(values.dtype, (len(rows.places), *values.shape[1:]))
        # Only with a mode other than to raise does numpy write where it is to be written at once.
        return values.take(rows.places, axis=0, out=copy, mode="clip")

    def _room(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        size = math.prod(shape) * dtype.itemsize
        if self._used == len(self._buffers):
            self._buffers.append(np.empty(size, np.uint8))
        elif len(self._buffers[self._used]) < size:
            self._buffers[self._used] = np.empty(size + size // 4, np.uint8)
        self._used += 1
        return self._buffers[self._used - 1][:size].view(dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class Frozen:
    """The state of an instant: values as msgpack, and the arrays in them."""

    head: bytes
    arrays: Sequence[Array | Callable[[], Array]]

    def parts(self) -> list[Part]:
        """The bytes of the snapshot, one after the other."""
        made = [each() if callable(each) else each for each in self.arrays]
        table = msgspec.msgpack.encode([(array.dtype.str, array.shape) for array in made])
        lead = _MAGIC + _LENGTHS.pack(len(self.head), len(table))
        bodies = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in made]
        return [lead, self.head, table, *bodies]


def freeze(state: Mapping[str, Any], copies: Copies | None = None) -> Frozen:
    """Hold on to `state`: plain values, `Rows`, `Later`, and arrays that are new or parts of
    others. What is held is gone when `copies` begins again.
    """
    arrays: list[Array | Callable[[], Array]] = []
    copies = copies or Copies()
    copies.begin()

    def put_aside(value: object) -> object:
        if isinstance(value, np.ndarray):
            array = cast("Array", value)
            arrays.append(array if array.flags.owndata else copies.of(array))
        elif isinstance(value, Rows):
            arrays.append(copies.of_rows(value))
        elif isinstance(value, Later):
            arrays.append(partial(value.work, *map(copies.of, value.arrays)))
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
