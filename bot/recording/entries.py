"""The file format of recordings: a magic line, then blocks of compressed entries, each with its checksum.

A block is its payload's length and CRC-32 (two little-endian 32-bit numbers) and the payload: MessagePack
entries, compressed. A process that dies leaves at most the end of one block, which readers cut.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

MAGIC: Final = b"BOTREC1\n"
SUFFIX: Final = ".frames"
HEAD: Final = struct.Struct("<II")
LARGEST_BLOCK: Final = 16 * 1024 * 1024

Kind = Literal["begin", "frame", "state", "end"]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that arrived: `mono_ns` on the host's monotonic clock, `venue_ns` in venue time.

    `data` is the record of a frame as it came, or a text: state and reason, what was begun, why it ended.
    """

    kind: Kind
    hub: str
    generation: int
    mono_ns: int
    venue_ns: int
    data: bytes


class BadBlock(Exception):
    """Bytes that are no block, or not the one whose checksum they carry."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Entry])


def encode(entries: Sequence[Entry]) -> bytes:
    """One block of entries."""
    payload = zlib.compress(_ENCODER.encode(entries), 1)
    return HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def decode(payload: bytes, checksum: int) -> list[Entry]:
    """The entries of a payload. Raises BadBlock."""
    if zlib.crc32(payload) != checksum:
        raise BadBlock("a block with another checksum")
    try:
        return _DECODER.decode(zlib.decompress(payload))
    except (zlib.error, msgspec.DecodeError) as problem:
        raise BadBlock(str(problem)) from problem
