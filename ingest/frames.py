"""Frames between the server and its worker processes: msgpack and raw columns, never pickle.

    length u32 · body[length] · column bytes, one column after another

The body is msgpack `[word, value, sizes]`: a request's word is the task, a reply's is `ok` or
`error`, and before it any number of times `progress`; `sizes` are the lengths of the columns in
bytes.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

LENGTH = struct.Struct("<I")
BODY_LIMIT_BYTES = 256 << 20
COLUMNS_LIMIT_BYTES = 1 << 30

OK = "ok"
ERROR = "error"
PROGRESS = "progress"

Column = NDArray[np.generic]


class Body(msgspec.Struct, array_like=True):
    """What a frame says about itself."""

    word: str
    value: msgspec.Raw
    sizes: list[int]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Body)


def head(word: str, value: object, columns: Sequence[Column]) -> bytes:
    """A frame up to its columns, which follow as they are, each C-contiguous."""
    body = _ENCODER.encode((word, value, [column.nbytes for column in columns]))
    return LENGTH.pack(len(body)) + body


def body_length(prefix: bytes) -> int:
    """The length of the body behind the four bytes `prefix`. Raises ValueError."""
    (length,) = LENGTH.unpack(prefix)
    if length > BODY_LIMIT_BYTES:
        raise ValueError(f"frame of {length} bytes; expected at most {BODY_LIMIT_BYTES}")
    return length


def parse(body: bytes) -> Body:
    """Raises ValueError when the columns would be too large or the body is no msgpack."""
    parsed = _DECODER.decode(body)
    if sum(parsed.sizes) > COLUMNS_LIMIT_BYTES or min(parsed.sizes, default=0) < 0:
        raise ValueError(
            f"columns of {parsed.sizes} bytes; expected at most {COLUMNS_LIMIT_BYTES} in all"
        )
    return parsed


def read(stream: BinaryIO) -> tuple[Body, list[bytes]] | None:
    """The next frame, waiting for it; None where the stream ends. For the worker's side."""
    prefix = stream.read(LENGTH.size)
    if len(prefix) < LENGTH.size:
        return None
    length = body_length(prefix)
    content = stream.read(length)
    if len(content) < length:
        return None
    body = parse(content)
    columns = [stream.read(size) for size in body.sizes]
    if [len(column) for column in columns] != body.sizes:
        return None
    return body, columns


def write(stream: BinaryIO, word: str, value: object, columns: Sequence[Column]) -> None:
    """Sends a frame whole. For the worker's side."""
    stream.write(head(word, value, columns))
    stream.writelines(column.data for column in columns)
    stream.flush()
