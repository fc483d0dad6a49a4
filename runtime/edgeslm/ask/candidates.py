"""What linking offers for a question: handles for message shapes, their slots, values, times and numbers.

Every handle stands for something the question or the log really contains. Holds no logic of finding them (link.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeslm.ask.asked import Asked
from edgeslm.ask.fragments import Fragment
from edgeslm.ask.profile import ColumnInfo
from edgeslm.ask.shapes import Shape, Slot
from edgeslm.ask.times import TimeRange

MAX_SHAPES, MAX_VALUES, MAX_TIMES, MAX_NUMBERS, MAX_SLOTS, MAX_FIELDS = 5, 6, 3, 3, 9, 3


@dataclass
class SlotHandle:
    """A value inside messages that a query may read: A1, its kind, and the regular expression that reads it.

    A slot of a listed shape, or a field that the question names: then `field` is its name as the log writes it, and
    `form` the regular expression of values that show without the name what they are; "" where they do not. A `column`
    of the view that few logs have is offered as a field too, which a planner knows how to read whatever its name.
    unit: what its numbers are written in, "" where that is not known. also: the regular expressions of listed shapes'
    slots that are called as a field is and written otherwise.
    """

    handle: str
    slot: Slot
    regex: str
    name: str
    field: str = ""
    form: str = ""
    column: str = ""
    unit: str = ""
    also: tuple[str, ...] = ()


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
    lacks: frozenset[str] = frozenset()  # A-handles that read nothing in messages of the pattern


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
    asked: what its words say of the answer's form. listable: the names of what may be listed. counts_values: it may
    ask how many values a column has. grouped: the handle of the field to group by. measured: the numeric columns and
    handles that anybody would add up or compare, None for all; named: those that the question names. absent: it asks
    whether something happened that no message speaks of. told: it asks how many, and a pattern says all that it says
    of what happened. capitals: words that question and listed messages write in capitals. gone:
    the patterns of what is left out.
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
    asked: Asked = field(default_factory=Asked)
    listable: frozenset[str] = frozenset()
    counts_values: bool = True
    grouped: str = ""
    measured: frozenset[str] | None = None
    named: frozenset[str] = frozenset()
    capitals: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    absent: bool = False
    told: bool = False

    def value(self, handle: str) -> ValueHandle:
        return next(value for value in self.values if value.handle == handle)

    def shape(self, handle: str) -> ShapeHandle:
        return next(shape for shape in self.shapes if shape.handle == handle)

    def slot(self, handle: str) -> SlotHandle:
        return next(slot for slot in self.slots if slot.handle == handle)
