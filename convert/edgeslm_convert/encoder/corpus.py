"""Sentences to distil an encoder on, out of documentation that any Debian machine can install, and of our generator.

Reads man pages, reStructuredText and plain text, HTML, dictd dictionaries, WordNet glosses and the short descriptions
of packages. It refuses to know what is licensed how: the recipe names the sources, the card their licences. Invariant:
all sentences of one file are on one side of the held-out line, and no sentence stands on both.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from tqdm import tqdm

from edgeslm.errors import InputError

_WORDS = (4, 32)  # of a sentence that is kept
_HELD_OUT_EVERY = 25  # of the files, or of the blocks of a large file
_BLOCK = 100  # sentences
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z\"'(])")
_MARKUP = re.compile(r":[\w:+-]+:`|``|\*\*|[`{}|]|<[^<>\s]{1,40}>_?|\\f[BIRP]|\\f\(..|\\[&%|^/c]|\\s[-+]?\d")
_SKIPPED = {".png", ".svg", ".jpg", ".css", ".js", ".woff", ".woff2", ".inv", ".gif", ".dot", ".index", ".so", ".mo"}
_BLOCKS = {"p", "li", "td", "dd", "dt", "h1", "h2", "h3", "h4", "div", "pre", "br", "tr", "title", "script", "style"}
_GLOSS = re.compile(r"\| (.+)$", re.MULTILINE)
_DESCRIPTION = re.compile(r"^Description(?:-en)?: (.+)$", re.MULTILINE)
_MAN_TEXT = re.compile(r"^\.(?:SH|SS|TP|PP|P|LP|IP|HP|RE|RS|br|sp|nf|fi|EX|EE|Sh|Ss|Pp|It|Bl|El)\b")
_MAN_FONT = re.compile(r"^\.(?:B|I|BR|RB|IR|RI|BI|IB|Nm|Fl|Ar|Xr|Pa|Em|Cm|Ic|Va|Dv|Li)\s+")


@dataclass
class Sentence:
    """A sentence, the source it is from, and whether its file is held out."""

    text: str
    source: str
    held_out: bool


def read_sentences(folders: list[Path], *, per_file: int = 400, per_folder: int = 60_000) -> Iterator[Sentence]:
    """Every new sentence of the folders' documents; a folder's name is the source.

    per_file, per_folder: caps; a file with more gives a sample (one file alone may fill its folder's).
    Raises InputError naming every folder that is not there.
    """
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise InputError(f"no folder at {', '.join(missing)}", hint="unpack the packages of the recipe first")
    seen: set[str] = set()
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _SKIPPED)
        random.Random(1).shuffle(files)
        kept = 0
        for path in tqdm(files, desc=folder.name, unit="file", leave=False):
            name = f"{folder.name}/{path.relative_to(folder)}"
            blocks = list(_blocks(_of_file(path), seen))
            cap = min(per_file if len(blocks) * _BLOCK < 4000 else per_folder, per_folder - kept)
            if cap <= 0:
                break
            large = cap > per_file  # one file that is a whole source: its blocks are on either side
            found = [
                Sentence(text, folder.name, is_held_out(f"{name}:{at}" if large else name))
                for at, block in blocks
                for text in block
            ]
            kept += min(cap, len(found))
            yield from found if len(found) <= cap else random.Random(name).sample(found, cap)


def generated_sentences(logs: int, *, seed: int) -> Iterator[Sentence]:
    """Questions about simulated logs, and their messages; held out are sources and wordings never trained on."""
    from edgeslm_convert.logmodel.questions import Asker
    from edgeslm_convert.logmodel.simulate import simulate

    seen: set[str] = set()
    for number in range(logs):
        held_out = number % _HELD_OUT_EVERY == 0
        rng = random.Random(seed * 1_000_003 + number)
        log = simulate(rng, size=60, held_out=held_out)
        asker = Asker(log, rng, holdout=held_out)
        texts = [("question", asked.text) for _ in range(16) if (asked := asker.ask())]
        texts += [("message", str(record["message"])) for record in rng.sample(log.records, 16)]
        for source, text in texts:
            if text.lower() not in seen and len(text.split()) <= _WORDS[1]:
                seen.add(text.lower())
                yield Sentence(text, source, held_out)


def is_held_out(name: str) -> bool:
    """Whether the file of this name is held out; decided by its name alone, so for ever."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % _HELD_OUT_EVERY == 0


def split_sentences(paragraph: str) -> Iterator[str]:
    """The paragraph's sentences that read as prose: enough words, mostly letters, markup taken off."""
    text = " ".join(_MARKUP.sub("", paragraph).split())
    for sentence in _SENTENCE_END.split(text):
        sentence = sentence.strip(" -*#=\"'")
        letters = sum(char.isalpha() or char == " " for char in sentence)
        if _WORDS[0] <= len(sentence.split()) <= _WORDS[1] and letters > 0.85 * len(sentence) and sentence.isascii():
            yield sentence


def _blocks(texts: Iterator[str], seen: set[str]) -> Iterator[tuple[int, list[str]]]:
    """New sentences in blocks of successive ones, each with its number."""
    block: list[str] = []
    number = 0
    for text in texts:
        if (key := text.lower()) in seen:
            continue
        seen.add(key)
        block.append(text)
        if len(block) == _BLOCK:
            yield number, block
            number, block = number + 1, []
    if block:
        yield number, block


def _of_file(path: Path) -> Iterator[str]:
    """The sentences of a file, by what its name says it holds."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix in (".gz", ".dz") else path.read_bytes()
        text = raw.decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError):
        return
    name = path.name.removesuffix(".gz").removesuffix(".dz")
    if re.search(r"/man/man\d/", str(path)):
        paragraphs = _of_man(text)
    elif name.endswith((".html", ".htm")):
        paragraphs = _of_html(text)
    elif name.startswith("data."):  # WordNet
        paragraphs = [part for gloss in _GLOSS.findall(text) for part in gloss.split("; ")]
    elif name == "available":  # apt-cache dumpavail
        paragraphs = _DESCRIPTION.findall(text)
    elif name.endswith((".txt", ".rst", ".dict", ".pod", ".md")):
        paragraphs = re.split(r"\n\s*\n|\n\s*[-*#] |\.\. [\w-]+::", text)
    else:
        return
    for paragraph in paragraphs:
        yield from split_sentences(paragraph)


def _of_man(text: str) -> list[str]:
    """The paragraphs of a roff page, without its requests."""
    paragraphs: list[str] = [""]
    for line in text.splitlines():
        if _MAN_TEXT.match(line) or not line.strip():
            paragraphs.append("")
        elif _MAN_FONT.match(line):
            paragraphs[-1] += " " + _MAN_FONT.sub("", line).replace('"', "")
        elif not line.startswith((".", "'")):
            paragraphs[-1] += " " + line
    return [paragraph.replace("\\-", "-").replace("\\(aq", "'") for paragraph in paragraphs]


class _Text(HTMLParser):
    """Collects the text of a page by block element."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = [""]
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _BLOCKS:
            self.paragraphs.append("")
        self._hidden += tag in ("pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.paragraphs.append("")
        self._hidden -= tag in ("pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.paragraphs[-1] += data


def _of_html(text: str) -> list[str]:
    reader = _Text()
    reader.feed(text)
    return reader.paragraphs
