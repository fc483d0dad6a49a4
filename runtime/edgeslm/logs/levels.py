"""The ordered levels of the view and the words, letters and numbers that logs write for them.

Holds only the vocabulary and its two readings (a Python function, a SQL expression); which part of a line is the
level is the format's business. Invariant: both readings give the same level for the same text.
"""

from collections.abc import Mapping

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL")

WORDS: dict[str, str] = {
    "INFO": "INFO",
    "WARN": "WARN",
    "ERROR": "ERROR",
    "DEBUG": "DEBUG",
    "WARNING": "WARN",
    "NOTICE": "NOTICE",
    "TRACE": "TRACE",
    "FATAL": "FATAL",
    "I": "INFO",
    "D": "DEBUG",
    "W": "WARN",
    "E": "ERROR",
    "V": "TRACE",
    "F": "FATAL",
    "T": "TRACE",
    "N": "NOTICE",
    "C": "FATAL",
    "ERR": "ERROR",
    "CRIT": "FATAL",
    "CRITICAL": "FATAL",
    "ALERT": "FATAL",
    "EMERG": "FATAL",
    "EMERGENCY": "FATAL",
    "PANIC": "FATAL",
    "SEVERE": "ERROR",
    "FAILURE": "ERROR",
    "FAILED": "ERROR",
    "INFORMATION": "INFO",
    "INFORMATIONAL": "INFO",
    "AUDIT": "INFO",
    "LOG": "INFO",
    "CONFIG": "INFO",
    "STATEMENT": "INFO",
    "DETAIL": "INFO",
    "HINT": "INFO",
    "FINE": "DEBUG",
    "FINER": "TRACE",
    "FINEST": "TRACE",
    "VERBOSE": "TRACE",
    "DBG": "DEBUG",
    "INF": "INFO",
    "WRN": "WARN",
    "FTL": "FATAL",
    "TRC": "TRACE",
}
"""Upper-case text -> level, the commonest first (the SQL tries them in this order)."""

SEVERITIES: dict[str, str] = {
    "0": "FATAL",
    "1": "FATAL",
    "2": "FATAL",
    "3": "ERROR",
    "4": "WARN",
    "5": "NOTICE",
    "6": "INFO",
    "7": "DEBUG",
}
"""Syslog severities (RFC 5424, table 2), as journald's PRIORITY and the low three bits of a PRI write them."""

DETECT = (
    r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|FATAL|CRIT(?:ICAL)?|SEVERE|ALERT|EMERG|PANIC|VERBOSE"
    r"|FINE(?:R|ST)?)"
)
"""The words the generic detector takes for a level, for use under the (?i:…) flag."""


def level_of(text: str | None, words: Mapping[str, str] | None = None, *, modulo: int = 0) -> str | None:
    """The level for the text a log writes, or None. words: the format's own map, tried first; modulo: 8 for a PRI."""
    if not text:
        return None
    if modulo:
        return SEVERITIES.get(str(int(text) % modulo)) if text.isdigit() else None
    key = text.strip().upper()
    if words and key in words:
        return words[key]
    return WORDS.get(key)


def level_sql(text_sql: str, words: Mapping[str, str] | None = None, *, modulo: int = 0) -> str:
    """The SQL expression of the enum `log_level` for the SQL expression of a text: what `level_of` does."""
    if modulo:
        table = SEVERITIES
        key = f"(try_cast({text_sql} AS INTEGER) % {modulo})::VARCHAR"
    else:
        table = {**{word.upper(): level for word, level in (words or {}).items()}}
        table.update({word: level for word, level in WORDS.items() if word not in table})
        key = f"upper(trim({text_sql}))"
    branches = " ".join(f"WHEN '{word}' THEN '{level}'::log_level" for word, level in table.items())
    return f"CASE {key} {branches} END"
