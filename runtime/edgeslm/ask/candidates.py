"""What linking offers for a question: handles for message shapes, their slots, values, times and numbers.

Every handle stands for something the question or the log really contains. Holds no logic of finding them (link.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeslm.ask.fragments import Fragment
from edgeslm.ask.profile import ColumnInfo
from edgeslm.ask.shapes import Shape, Slot
from edgeslm.ask.times import TimeRange

AGGREGATES = ("avg", "max", "min", "sum", "median")
MAX_SHAPES, MAX_VALUES, MAX_TIMES, MAX_NUMBERS, MAX_SLOTS, MAX_FIELDS = 5, 6, 3, 3, 9, 3


@dataclass
class SlotHandle:
    """A value inside messages that a query may read: A1, its kind, and the regular expression that reads it.

    A slot of a listed shape, or a field that the question names: then `field` is its name as the log writes it, and
    `form` the regular expression of values that show without the name what they are; "" where they do not. A `column`
    of the view that few logs have is offered as a field too, which a planner knows how to read whatever its name.
    unit: what its numbers are written in, "" where that is not known.
    """

    handle: str
    slot: Slot
    regex: str
    name: str
    field: str = ""
    form: str = ""
    column: str = ""
    unit: str = ""


@dataclass
class ShapeHandle:
    """A message pattern offered as S1: the texts to look for, the shape it is shown as, how often it occurs."""

    handle: str
    fragment: Fragment
    shape: Shape
    count: int
    slots: dict[int, str] = field(default_factory=dict)  # slot position -> column name or A-handle
    meant: frozenset[int] = frozenset()  # positions of the numbers that the question names
    holds: frozenset[str] = frozenset()  # kinds of values that messages of the pattern hold
    stands: Mapping[str, frozenset[str]] = field(default_factory=dict)  # column -> its values beside such messages


@dataclass
class ValueHandle:
    """A value of the question, V1: its text, and per column (or A-handle) the value as the log writes it.

    Always usable as text. guess: a stretch of words that was found nowhere. whole: as text, all that a message says.
    quoted: it stands in quotes. level_text: the log's own word, where it has others for the same level.
    """

    handle: str
    text: str
    columns: dict[str, str]
    at: tuple[int, int]
    plain: bool
    exact_case: bool = False
    guess: bool = False
    whole: bool = False
    quoted: bool = False
    level_text: str = ""


@dataclass
class Candidates:
    """Everything a query for this question may be made of.

    coverage: share of the question's weight that the best shape covers. unmatched: its words that were found nowhere.
    compares: a number may be a bound. measures: handles of numbers that are sizes or durations, so count nothing.
    counts: of numbers that say how many values to give, so are no values. ordered: a ranking is asked for in an
    order. lines: lines are asked for outright. when: a moment may be asked for. listed: different values are, and
    not how many. one_bucket: one stretch of time is, not all. severer: a level may be meant with those above it.
    line_count: the number of lines is asked for, not of values. units: what numbers of the question are in. gap:
    the longest time without a line is asked for outright; gaps: it may be. ranked: the first of a ranking may be.
    things: values are asked for, so no number, time or line; number: how many there are; counts_values: perhaps of
    a column. some: a share of some lines only is asked for. grouped: the handle of the field to group by.
    aggregates: those that may be. measured: the numeric columns and handles that anybody would add up or compare,
    None for all. absent: whether something happened is asked that no message speaks of;
    told: how many is asked, and a pattern says all that the question says of
    what happened. excludes: a condition may be turned round; left_out: the values of which the question says so.
    alternatives: one of several conditions may be enough. amount: the unit of which it is asked how much there
    is; by_amount: a ranking by a sum or the like. best_bucket: the piece of time of which
    the one with most or least is asked for; share: a share is. different: different values are named. bounds: the
    numbers that something is compared with. kept: the values that something is from or of. extreme: the highest or lowest of some numbers is asked
    for; top_things: the first of some that are no times. without: something is left out for certain. at: a moment is asked
    for, what: what something was; clock: a time is named. bucket: the piece of time that is counted by, "" for none.
    """

    question: str
    annotated: str
    columns: list[ColumnInfo]
    shapes: list[ShapeHandle]
    slots: list[SlotHandle]
    values: list[ValueHandle]
    times: dict[str, TimeRange]
    numbers: dict[str, str]
    has_levels: bool
    coverage: float
    unmatched: tuple[str, ...] = ()
    compares: bool = True
    measures: frozenset[str] = frozenset()
    counts: frozenset[str] = frozenset()
    ordered: bool = False
    lines: bool = False
    when: bool = True
    listed: bool = False
    one_bucket: bool = False
    severer: bool = True
    line_count: bool = False
    units: dict[str, str] = field(default_factory=dict)
    gap: bool = False
    listable: frozenset[str] = frozenset()
    things: bool = False
    number: bool = False
    counts_values: bool = True
    some: bool = False
    grouped: str = ""
    gaps: bool = True
    ranked: bool = True
    aggregates: tuple[str, ...] = AGGREGATES
    measured: frozenset[str] | None = None
    absent: bool = False
    told: bool = False
    excludes: bool = True
    left_out: frozenset[str] = frozenset()
    alternatives: bool = True
    amount: str = ""
    by_amount: bool = False
    best_bucket: str = ""
    share: bool = False
    different: bool = False
    bounds: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    extreme: bool = False
    top_things: bool = False
    without: bool = False
    at: bool = False
    what: bool = False
    clock: bool = True
    bucket: str = ""

    def value(self, handle: str) -> ValueHandle:
        return next(value for value in self.values if value.handle == handle)

    def shape(self, handle: str) -> ShapeHandle:
        return next(shape for shape in self.shapes if shape.handle == handle)

    def slot(self, handle: str) -> SlotHandle:
        return next(slot for slot in self.slots if slot.handle == handle)
