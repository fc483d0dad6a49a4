"""Which things a question asks for by name: `which upstream servers …`, `top 3 scrape pools`, `shipments per carrier`.

Only what the question's own words say; whether the log has something of that name, the caller finds out. Knows no SQL.
"""

import re

from edgeslm.ask.lexicon import split_words, stop_words

_START = re.compile(
    r"\b(?:which|what)\s|^\W*whose\s|\b(?:per|by|(?:for )?each|(?:for )?every)\s|\btop\s"
    r"|\b(?:different|distinct|unique)\s|^\W*(?:list|name|show|give me|show me|tell me)\s",
    re.I,
)
_SKIPPED = frozenset(
    "a an the all every each different distinct unique separate single other of our own these those various"
    " several number numbers count counts amount total two three four five six seven eight nine ten most"
    " common frequent top first last exact such number names name values value".split()
)
_ENDS = frozenset(
    "is are was were be been did do does done had have has can could will would should may might must got get"
    " gets with without in on at for from to by per that who whom and or but not no never ever when where"
    " while how than as if it we i you they he she there here most more less least often shows show made make"
    " came come went go gave give sent failed caused triggered".split()
)
_TIMES = frozenset(
    "time times second seconds minute minutes hour hours day days date dates week weeks month months year"
    " years percentage percent share kind kinds type types part one ones line lines message messages entry"
    " entries record records event events error errors warning warnings".split()
)
_PLACE = {"per": 0, "each": 0, "every": 0, "by": 2}  # which says more of what is listed; other words 1
_LONGEST = 4  # words of a name


def asked_things(question: str) -> list[str]:
    """The nouns, in the order of their weight: of the first thing asked for the last word, then those before it.

    None where it asks for a time, a share or lines.
    """
    for start in sorted(
        _START.finditer(question), key=lambda found: _PLACE.get(found.group().split()[-1].casefold(), 1)
    ):
        words: list[str] = []
        for word in re.findall(r"[^\s]+", question[start.end() :]):
            plain = word.strip(".,;:!?()\"'").casefold()
            if not plain or plain in _ENDS or len(words) == _LONGEST:
                break
            if plain not in _SKIPPED and not plain.isdigit():
                words.append(plain)
            plural = plain.endswith("s") and not plain.endswith(("ss", "us", "is")) and plain not in _SKIPPED
            if word[-1] in ".,;:!?)" or plural:
                break
        if words and words[-1] in _TIMES:
            return []
        nouns = [part for word in reversed(words) for part in reversed(split_words(word))]
        if found := [noun for noun in nouns if len(noun) > 1 and noun not in stop_words()]:
            return found
    return []
