"""What a value looks like, and the words people use for levels."""

import re
from functools import lru_cache

from edgeslm.ask.typos import nearest

_LEVELS = {
    "TRACE": "trace traces",
    "DEBUG": "debug debugs debugging",
    "INFO": "info infos informational",
    "NOTICE": "notice notices",
    "WARN": "warn warns warning warnings",
    "ERROR": "error errors err errs severe",
    "FATAL": "fatal fatals critical crit criticals emerg",
}
LEVEL_WORDS = {word: level for level, words in _LEVELS.items() for word in words.split()}
LEVEL_LETTERS = {"V": "TRACE", "D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL"}
_COMMON = [word for words in _LEVELS.values() for word in words.split() if len(word) > 4]
_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z_./:-]).+|.*[_/\\=@$].*|\w+(?:\.\w+)+|\w+::\w+|\w+-\w+-[\w-]+")
_MEASURE = re.compile(r"\d+(?:st|nd|rd|th|s|ms|am|pm|%|min|h|d|hrs?|kb|mb|gb|x)|[a-z]+-[a-z]+", re.I)  # or a compound


def looks_like_value(text: str) -> bool:
    """An address, path, identifier or dotted name rather than a word."""
    return len(text) > 3 and bool(_VALUE.fullmatch(text)) and not _MEASURE.fullmatch(text)


@lru_cache(maxsize=10000)
def spelled_level(word: str) -> str | None:
    """The word for a level that a misspelt one stands for (`erors`, `warnigns`), or None."""
    if len(word) < 5 or not word.isalpha():
        return None
    best = nearest(word, _COMMON, least=85, most=1)
    return best[0] if best and best[0][0] == word[0] else None
