"""One input file made ready for reading: checked, counted, sampled; copied to a private file only where it must be.

DuckDB reads a plain file in place. What it cannot read raw (compressed data, standard input, a FIFO, invalid UTF-8,
a carriage return inside a line, a line longer than `MAX_LINE`) goes through `clean.copy` into a temporary file of
mode 0600 that `Source.close` removes. Refuses to know formats and SQL. Invariant: a line is what ends in LF, one CR
before it does not belong to it, and line numbers count exactly those.
"""

import os
import stat
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from edgeslm.errors import InputError
from edgeslm.logs import clean

CHUNK = 1 << 18
MARK_EVERY = 4
BLOCK = 1 << 16
SAMPLE_BLOCKS = 6
Progress = Callable[[str, float], None]


@dataclass
class Source:
    """A readable log file. `path` is what DuckDB reads, `name` what the user called it."""

    name: str
    path: Path
    size: int
    modified: float
    lines: int = 0
    marks: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    notes: list[str] = field(default_factory=list)
    temporary: bool = False
    crlf: bool = False

    def close(self) -> None:
        """Removes the temporary copy, if there is one."""
        if self.temporary:
            self.path.unlink(missing_ok=True)

    def texts(self, line_nos: Sequence[int]) -> dict[int, str]:
        """The lines of these numbers, read by seeking; numbers outside the file are left out."""
        found: dict[int, str] = {}
        before = [line for _, line in self.marks]
        with self.path.open("rb") as file:
            for number in sorted(set(line_nos)):
                if not 1 <= number <= self.lines:
                    continue
                offset, skipped = self.marks[bisect_right(before, number - 1) - 1]
                file.seek(offset)
                for _ in range(number - 1 - skipped):
                    file.readline()
                found[number] = _text(file.readline(), number)
        return found

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Every line with its number, one at a time."""
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                yield number, _text(raw, number)

    def sample(self, limit: int = 5000) -> list[list[tuple[int, str]]]:
        """Blocks of consecutive numbered lines: the whole file if it is short, else its start and blocks to its end."""
        with self.path.open("rb") as file:
            if self.lines <= limit:
                return [[(n, _text(raw, n)) for n, raw in enumerate(file, 1)]]
            blocks = [self._block(file, 0, 0, limit // 2)]
            rest = self.marks[1:]
            chosen = rest[:: max(1, len(rest) // SAMPLE_BLOCKS)][:SAMPLE_BLOCKS]
            if rest and chosen[-1] != rest[-1]:
                chosen.append(rest[-1])
            for offset, skipped in chosen:
                blocks.append(self._block(file, offset, skipped, limit // 2 // len(chosen)))
            return [block for block in blocks if block]

    def _block(self, file: BinaryIO, offset: int, skipped: int, limit: int) -> list[tuple[int, str]]:
        file.seek(offset)
        taken: list[tuple[int, str]] = []
        for number, raw in enumerate(file, skipped + 1):
            if len(taken) >= limit or file.tell() - offset > BLOCK * 8:
                break
            taken.append((number, _text(raw, number)))
        return taken

    def tail(self) -> list[str]:
        """The last lines of the file, for its end time."""
        with self.path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - BLOCK))
            return [_text(raw, 0) for raw in file.read().split(b"\n")[-200:] if raw]


def _text(raw: bytes, number: int) -> str:
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    return line.decode("utf-8", "replace")


def open_source(path: str | Path, progress: Progress | None = None) -> Source:
    """The source of one path ("-" is standard input). Raises InputError, saying why, for what is not a readable log."""
    if str(path) == "-":
        return _copied("stdin", sys.stdin.buffer, clean.Plain(), 0.0, progress)
    file = Path(path)
    _refuse_unusable(file)
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return _copied(file.name, stream, clean.Plain(), status.st_mtime, progress)
            codec = clean.codec_of(stream.read(4))
            stream.seek(0)
            if codec is None:
                source = Source(file.name, file.resolve(), status.st_size, status.st_mtime)
                if _scan(source, stream, progress):
                    return source
                stream.seek(0)
                codec = clean.Plain()
            return _copied(file.name, stream, codec, status.st_mtime, progress)
    except PermissionError as error:
        raise InputError(f"cannot read {path}", reason="permission denied", hint="run as a user who may") from error
    except OSError as error:
        raise InputError(f"cannot read {path}", reason=error.strerror or str(error)) from error


def _refuse_unusable(file: Path) -> None:
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no such file: {file}") from error
    except OSError as error:
        raise InputError(f"cannot read {file}", reason=error.strerror or str(error)) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{file} is a directory", hint=f"name the log files in it, for example {file}/*.log")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise InputError(f"{file} is empty", hint="there is nothing to ask of it")


def _scan(source: Source, stream: BinaryIO, progress: Progress | None) -> bool:
    """Counts the lines and sets the marks. False where the file cannot be read raw and needs a clean copy."""
    checker = clean.RawChecker()
    done = 0
    for number, chunk in enumerate(_chunks(stream), 1):
        if done == 0:
            clean.refuse_binary(source.name, chunk)
        if not checker.accepts(chunk):
            return False
        done += len(chunk)
        if number % MARK_EVERY == 0 and b"\n" in chunk:
            # A mark stands at the first line start after the chunk's last line feed.
            source.marks.append((done - len(chunk) + chunk.rfind(b"\n") + 1, checker.lines))
        if progress and source.size:
            progress("reading", done / source.size)
    if not checker.ends_well():
        return False
    source.lines = checker.lines + (not checker.last.endswith(b"\n"))
    source.crlf = checker.crlf > 0
    return True


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _copied(name: str, stream: BinaryIO, codec: clean.Codec, modified: float, progress: Progress | None) -> Source:
    path, notes = clean.copy(name, stream, codec)
    source = Source(name, path, path.stat().st_size, modified, notes=notes, temporary=True)
    try:
        if not source.size:
            raise InputError(f"{name} is empty", hint="there is nothing to ask of it")
        with path.open("rb") as copied:
            if not _scan(source, copied, progress):
                raise InputError(f"cannot read {name}", reason="it could not be made clean text")
    except BaseException:
        source.close()
        raise
    return source
