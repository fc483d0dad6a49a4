"""The stem of an English word, by Snowball's English stemmer (Porter2).

Starting costs more than stemming: the package `snowballstemmer` imports the stemmers of 30 languages when it is
imported, so only its English one is, under a name of its own; and common words are looked up in stems.txt, which holds
what the stemmer says of them. Refuses to know what words mean. Invariant: the table never changes a result.
"""

import sys
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("stems.txt")
_ALIAS = "edgeslm.ask._snowball"


def stem(word: str) -> str:
    """The stem of a word in lower case."""
    known = _table().get(word)
    return known if known is not None else compute_stem(word)


def is_common(word: str) -> bool:
    """Whether it is one of the common words that are looked up."""
    return word in _table()


def compute_stem(word: str) -> str:
    """The stem by the stemmer itself, without the table."""
    return str(_english().stemWord(word))


@cache
def _table() -> dict[str, str]:
    """word -> stem of the words in stems.txt: two a line."""
    try:
        words = _TABLE.read_text(encoding="utf-8").split()
    except OSError:
        return {}
    return dict(zip(words[::2], words[1::2], strict=True))


@cache
def _english() -> Any:
    try:
        return _english_alone()
    except ImportError:
        import snowballstemmer

        return snowballstemmer.stemmer("english")


def _english_alone() -> Any:
    """The English stemmer out of a package that is found but not run."""
    found = find_spec("snowballstemmer")
    if found is None or not found.submodule_search_locations:
        raise ImportError("no package snowballstemmer")
    if _ALIAS not in sys.modules:
        spec = ModuleSpec(_ALIAS, None, is_package=True)
        spec.submodule_search_locations = list(found.submodule_search_locations)
        sys.modules[_ALIAS] = module_from_spec(spec)
    return import_module(f"{_ALIAS}.english_stemmer").EnglishStemmer()
