"""Writes runtime/edgeslm/ask/stems.txt: the stems of the words that logs and questions often hold.

The words are those of the lexicon, of the wordings and of the simulated logs. The table only saves time: a word that
it lacks is stemmed when it is met. Run `python -m edgeslm_convert.logmodel.stem_table` after adding many words.
"""

import re
from collections import Counter
from pathlib import Path

from edgeslm.ask import lexicon
from edgeslm.ask.stemmer import compute_stem

_OWN = Path(__file__).parent
_ASK = Path(lexicon.__file__).parent
_LONGEST = 24


def common_words(least: int = 2) -> list[str]:
    """The words of the lexicon, and those that stand at least `least` times in wordings and sources, sorted."""
    counts: Counter[str] = Counter()
    for path in sorted(_OWN.glob("*/*.toml")):
        counts.update(_words(path))
    words = {word for word, count in counts.items() if count >= least} | set(_words(_ASK / "lexicon.toml"))
    return sorted(word for word in words if 1 < len(word) <= _LONGEST)


def table_text(words: list[str]) -> str:
    """A line for each word: the word and its stem."""
    return "".join(f"{word} {compute_stem(word)}\n" for word in words)


def _words(path: Path) -> list[str]:
    found = lexicon.split_words(re.sub(r"\\.", " ", path.read_text(encoding="utf-8")))
    return [word for word in found if word.isascii() and word.isalpha()]


if __name__ == "__main__":
    _ASK.joinpath("stems.txt").write_text(table_text(common_words()), encoding="utf-8")
