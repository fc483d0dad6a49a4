"""Bytes made fit for DuckDB: what may be read raw, and a bounded, private copy of what may not.

Holds the decoders of compressed files, the checks on a chunk of bytes, the cleaning of text. In a copy invalid UTF-8
becomes U+FFFD, a carriage return inside a line U+240D, and a line is cut after `MAX_LINE` bytes; notes say so.
Refuses to know what a log is. Invariant: memory is bounded whatever the input; the copy has as many lines as the input.
"""

import codecs
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from edgeslm.errors import InputError
from edgeslm.logs.scratch import scratch_directory

CHUNK = 1 << 18
MAX_LINE = 1_000_000
"""Most bytes of one line, without its end; a longer one is cut in a copy. Less than read_csv's max_line_size."""
MAX_EXPANDED = 4 << 30
"""Most bytes a compressed file, a pipe or a damaged file may take as a copy."""
SPARE_DISK = 64 << 20
DISK_CHECK = 64
SEPARATOR = b"\x1f\x1e\x1f\x1e"
"""What read_csv is told separates columns; a file that holds it is copied without it."""


class Codec:
    """How the bytes of an input become text bytes."""

    name = ""

    def open(self, stream: BinaryIO) -> BinaryIO:
        """The decoded stream."""
        return stream


class Plain(Codec):
    """Bytes as they are."""


class Gzip(Codec):
    """gzip, several members allowed."""

    name = "gzip"

    def open(self, stream: BinaryIO) -> BinaryIO:
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]


class Zstd(Codec):
    """Zstandard, by Python 3.14's own module or the zstandard package."""

    name = "zstd"

    def open(self, stream: BinaryIO) -> BinaryIO:
        try:
            from compression import zstd  # type: ignore[import-not-found, unused-ignore]

            return zstd.ZstdFile(stream)  # type: ignore[no-any-return, unused-ignore]
        except ImportError:
            pass
        try:
            import zstandard
        except ImportError as error:
            raise InputError(
                "cannot read zstd", reason="the zstandard package is missing", hint="pip install zstandard, or zstd -d"
            ) from error
        return _ZstdFrames(stream, zstandard)  # type: ignore[return-value]


class _ZstdFrames:
    """Reads zstd frames with the zstandard package, in steps so small that no input expands beyond bounded memory."""

    STEP = 256
    WINDOW = 1 << 27

    def __init__(self, stream: BinaryIO, zstandard: Any) -> None:
        self._stream = stream
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=self.WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._fed = False

    def read(self, size: int) -> bytes:
        """About `size` decoded bytes; b"" at the end. Raises EOFError where a frame ends early."""
        found: list[bytes] = []
        length = 0
        while length < size:
            step = self._stream.read(self.STEP)
            if not step:
                if self._fed:
                    raise EOFError
                break
            while step:
                piece = self._frame.decompress(step)
                found.append(piece)
                length += len(piece)
                self._fed, step = not self._frame.eof, b""
                if self._frame.eof:
                    step = self._frame.unused_data
                    self._frame = self._decompressor.decompressobj()
        return b"".join(found)


class Bzip2(Codec):
    """bzip2."""

    name = "bzip2"

    def open(self, stream: BinaryIO) -> BinaryIO:
        import bz2

        return bz2.BZ2File(stream)  # type: ignore[return-value]


class Xz(Codec):
    """xz."""

    name = "xz"

    def open(self, stream: BinaryIO) -> BinaryIO:
        import lzma

        return lzma.LZMAFile(stream)  # type: ignore[return-value]


_MAGIC = ((b"\x1f\x8b", Gzip), (b"\x28\xb5\x2f\xfd", Zstd), (b"BZh", Bzip2), (b"\xfd7zX", Xz))


def codec_of(first: bytes) -> Codec | None:
    """The codec that a file's first bytes call for; None for a file that may be plain text."""
    return next((codec() for magic, codec in _MAGIC if first.startswith(magic)), None)


def refuse_binary(name: str, first: bytes) -> None:
    """Raises InputError if a file's first bytes are no text: NULs or control bytes beyond a stray one in a hundred."""
    head = first[:8192]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    strange = sum(head.count(byte) for byte in _STRANGE)
    if strange * 100 > len(head):
        raise InputError(
            f"{name} is a binary file",
            reason=f"{strange} of its first {len(head)} bytes are control characters",
            hint="give a text log; journal files: journalctl -o json > log.json",
        )


_STRANGE = [bytes([b]) for b in range(32) if b not in b"\t\n\r\x1b\x1f\x1e\x0b\x0c"]


class RawChecker:
    """Whether DuckDB may read a file in place, asked chunk by chunk; counts its lines meanwhile.

    It may where every line ends alike (LF or CRLF), no CR stands elsewhere, all is UTF-8, no line is too long.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.crlf = 0
        self.last = b""
        self._open = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def accepts(self, chunk: bytes) -> bool:
        """Whether the file is still fit with this chunk."""
        feeds = chunk.count(b"\n")
        if not self._is_short(chunk, feeds) or not self._line_ends_alike(chunk, feeds):
            return False
        if b"\x1f" in chunk and SEPARATOR in self.last + chunk:
            return False
        if not chunk.isascii() or self._decoder.getstate()[0]:
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                return False
        self.last = chunk[-4:]
        return True

    def _is_short(self, chunk: bytes, feeds: int) -> bool:
        """Whether no line is longer than MAX_LINE; a line within one chunk cannot be."""
        if feeds and self._open + chunk.find(b"\n") > MAX_LINE:
            return False
        self._open = len(chunk) - chunk.rfind(b"\n") - 1 if feeds else self._open + len(chunk)
        return self._open <= MAX_LINE

    def _line_ends_alike(self, chunk: bytes, feeds: int) -> bool:
        split = self.last.endswith(b"\r")
        if split and not chunk.startswith(b"\n"):
            return False
        self.lines += feeds
        if b"\r" in chunk or split:
            pairs = chunk.count(b"\r\n") + split
            if chunk.count(b"\r") + split - chunk.endswith(b"\r") != pairs:
                return False
            self.crlf += pairs
        return self.crlf in (0, self.lines)

    def ends_well(self) -> bool:
        """Whether the file ends between two characters and not in a CR."""
        return not self.last.endswith(b"\r") and not self._decoder.getstate()[0]


def copy(name: str, stream: BinaryIO, codec: Codec) -> tuple[Path, list[str]]:
    """A private cleaned copy of a stream, and notes on what was changed.

    Raises InputError for damaged data and for data beyond `MAX_EXPANDED` or the disk.
    """
    handle, text = tempfile.mkstemp(suffix=".log", dir=scratch_directory())
    path = Path(text)
    notes: list[str] = []
    try:
        with os.fdopen(handle, "wb") as out:
            written = 0
            for number, piece in enumerate(_cleaned(_decoded(name, stream, codec), name, notes)):
                written += len(piece)
                if written > MAX_EXPANDED or (number % DISK_CHECK == 0 and _disk_is_full(path)):
                    raise _too_large(name, codec)
                out.write(piece)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, InputError):
            raise InputError(f"cannot copy {name}", reason=error.strerror or str(error)) from error
        raise
    return path, notes


def _too_large(name: str, codec: Codec) -> InputError:
    what = f"its {codec.name} data expands" if codec.name else "it grows"
    return InputError(
        f"{name} is too large",
        reason=f"{what} beyond {MAX_EXPANDED >> 20:,} MiB or the space left in {scratch_directory().parent}",
        hint="split the log, or set TMPDIR to a larger disk",
    )


def _disk_is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < SPARE_DISK


def _decoded(name: str, stream: BinaryIO, codec: Codec) -> Iterator[bytes]:
    decoded = codec.open(stream)
    try:
        while chunk := decoded.read(CHUNK):
            yield chunk
    except EOFError as error:
        raise InputError(f"{name} is truncated", reason=f"its {codec.name} data ends early") from error
    except (zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise InputError(f"{name} is damaged", reason=f"{codec.name}: {error}") from error
    except Exception as error:
        if type(error).__name__ in ("ZstdError", "LZMAError"):
            raise InputError(f"{name} is damaged", reason=f"{codec.name}: {error}") from error
        raise


def _cleaned(chunks: Iterator[bytes], name: str, notes: list[str]) -> Iterator[bytes]:
    """The chunks as clean UTF-8 text bytes."""
    first = next(chunks, b"")
    if not first:
        return
    refuse_binary(name, first)
    utf16 = first.startswith((b"\xff\xfe", b"\xfe\xff"))
    decoder = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")("replace")
    cutter = _Cutter()
    held = ""
    replaced = 0
    for chunk, final in _with_last(first, chunks):
        text = held + decoder.decode(chunk, final)
        held = "\r" if text.endswith("\r") and not final else ""
        text = text[: len(text) - len(held)].replace("\r\n", "\n")
        replaced += text.count("\ufffd")
        if final:
            text = text.removesuffix("\r")
        if "\r" in text:
            text = text.replace("\r", "\u240d")
        yield cutter.cut(text.encode().replace(SEPARATOR, b"\x1f"))
    if replaced:
        notes.append(f"{name}: {replaced:,} byte sequences that are not UTF-8 are shown as \ufffd")
    if cutter.lines:
        notes.append(f"{name}: {cutter.lines:,} lines are longer than {MAX_LINE:,} bytes and were cut there")


def _with_last(first: bytes, rest: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    chunk = first
    for following in rest:
        yield chunk, False
        chunk = following
    yield chunk, True


class _Cutter:
    """Cuts lines after MAX_LINE bytes, chunk by chunk; holds only the length of the line it is in."""

    def __init__(self) -> None:
        self.length = 0
        self.lines = 0

    def cut(self, chunk: bytes) -> bytes:
        """The chunk without what stands beyond MAX_LINE in a line."""
        parts = chunk.split(b"\n") if len(chunk) + self.length > MAX_LINE else []
        if all(len(part) <= MAX_LINE for part in parts) and (not parts or self.length + len(parts[0]) <= MAX_LINE):
            last = chunk.rfind(b"\n")
            self.length = len(chunk) - last - 1 if last >= 0 else self.length + len(chunk)
            return chunk
        kept = []
        for number, part in enumerate(parts):
            if number:
                self.length = 0
            kept.append(self._shortened(part))
        return b"\n".join(kept)

    def _shortened(self, part: bytes) -> bytes:
        room = max(0, MAX_LINE - self.length)
        if len(part) > room >= 0 and self.length <= MAX_LINE:
            self.lines += 1
            self.length = MAX_LINE + 1
            return part[:room].decode("utf-8", "ignore").encode()
        self.length += len(part)
        return part[:room]
