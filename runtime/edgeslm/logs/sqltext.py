"""How Python strings become SQL literals and identifiers, and nothing else."""


def quote(text: str) -> str:
    """The SQL string literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The SQL identifier of a name, quoted only where it must be."""
    if name.isidentifier() and name.isascii() and name == name.lower() and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


_RESERVED = frozenset(
    "all and any as asc between by case cast check column desc distinct else end false from group having in into is "
    "join like limit not null offset on or order select table then to true union unique using when where with".split()
)
