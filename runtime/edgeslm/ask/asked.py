"""What the words of a question say of its answer's form, whatever the log holds."""

from dataclasses import dataclass, field

AGGREGATES = ("avg", "max", "min", "sum", "median")


@dataclass(frozen=True)
class Asked:
    """What a question asks for, or may ask for; the defaults rule nothing out.

    Sets are of handles: of the question's numbers (N1) and values (V1).
    """

    lines: bool = False  # lines, outright
    may_share: bool = True  # a share, perhaps
    things: bool = False  # which things there are, so no number, time or line
    number: bool = False  # how many lines or things there are
    line_count: bool = False  # how many lines there are, and not how many values
    listed: bool = False  # different values, and not how many
    different: bool = False  # equal values count once
    what: bool = False  # what something was, so no lines
    extreme: bool = False  # the highest or lowest of some numbers
    at: bool = False  # one moment
    at_most: str = ""  # that of the highest or lowest number: "DESC", "ASC"
    when: bool = True  # a moment, perhaps
    clock: bool = True  # a word for a time is said
    between: bool = False  # the time between two events
    gap: bool = False  # the longest time without a line
    gaps: bool = True  # that, perhaps
    bucket: str = ""  # the piece of time that is counted by: `per hour`
    bucket_amount: str = ""  # the piece of time of which a number of each is: `average latency per hour`
    best_bucket: str = ""  # the piece of time of which the one with most or least is asked for
    one_bucket: bool = False  # one piece of time, not all
    ordered: bool = False  # a ranking in an order, so all of it
    counted: bool = False  # how many of each thing: `which hosts, and how many times each`
    each: str = ""  # how often each thing that is asked for occurs: "= 1", "> 1"
    ranked: bool = True  # the first of a ranking, perhaps
    top_things: bool = False  # the first of some that are no times
    by_amount: bool = False  # a ranking by a sum or the like
    amount: str = ""  # the unit of which it is asked how much there is
    aggregates: tuple[str, ...] = AGGREGATES  # those that may be
    share: bool = False  # a share of lines
    some: bool = False  # a share of some lines only
    compares: bool = True  # a number may be a bound
    bounds: frozenset[str] = frozenset()  # numbers that something is compared with
    measures: frozenset[str] = frozenset()  # numbers that are sizes or durations, so count nothing
    counts: frozenset[str] = frozenset()  # numbers that say how many values to give, so are no values
    units: dict[str, str] = field(default_factory=dict)  # what numbers are in
    severer: bool = True  # a level may be meant with those above it
    alternatives: bool = True  # one of several conditions may be enough
    excludes: bool = True  # a condition may be turned round
    without: bool = False  # something is left out for certain
    left_out: frozenset[str] = frozenset()  # values that are
    kept: frozenset[str] = frozenset()  # values that something is from or of, so that are not
