"""The bytes of a snapshot: msgpack of plain values and numpy arrays, with a format number."""

import struct
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 2

_JOINED = b"TOCSIN2\n"
_LENGTH = struct.Struct("<Q")

_ARRAY = 1  # msgpack extension: dtype and shape in msgpack, then the bytes of the array


def encode(state: Mapping[str, Any]) -> bytes:
    return msgspec.msgpack.encode({"format": FORMAT, **state}, enc_hook=_encode_array)


def decode(data: bytes) -> dict[str, Any]:
    """What `encode` was given; keys of mappings may be numbers. Arrays can be written to.

    Raises ValueError for anything but a snapshot of this format.
    """
    try:
        state = msgspec.msgpack.decode(data, ext_hook=_decode_array)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ValueError(f"not a snapshot: {error}") from None
    form = cast("dict[str, Any]", state).get("format") if isinstance(state, dict) else None
    if form != FORMAT:
        raise ValueError(f"the snapshot has format {form!r}; expected {FORMAT}")
    return cast("dict[str, Any]", state)


def join(own: bytes, companion: bytes) -> bytes:
    """The pipeline's snapshot and that of a companion as one."""
    return _JOINED + _LENGTH.pack(len(own)) + own + companion


def split(content: bytes) -> tuple[bytes, bytes]:
    """What `join` was given. Snapshots from before there were companions have an empty one."""
    head = len(_JOINED) + _LENGTH.size
    if not content.startswith(_JOINED) or len(content) < head:
        return content, b""
    (length,) = _LENGTH.unpack_from(content, len(_JOINED))
    return content[head : head + length], content[head + length :]


def _encode_array(value: object) -> object:
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        head = msgspec.msgpack.encode((array.dtype.str, array.shape))
        return msgspec.msgpack.Ext(_ARRAY, len(head).to_bytes(2, "big") + head + array.tobytes())
    raise NotImplementedError(f"{type(value)} cannot be in a snapshot")


def _decode_array(code: int, data: memoryview) -> NDArray[Any]:
    if code != _ARRAY:
        raise ValueError(f"extension {code}; expected {_ARRAY}")
    length = int.from_bytes(data[:2], "big")
    dtype, shape = msgspec.msgpack.decode(data[2 : 2 + length], type=tuple[str, tuple[int, ...]])
    flat: NDArray[Any] = np.frombuffer(data[2 + length :], np.dtype(dtype))
    return flat.reshape(shape).copy()
