"""What a question says outright of its answer's form: what its numbers can be, an order, lines. The grammar asks.

Only what no reading could mean is ruled out; which of the rest is meant is the planner's choice. Sets of words, and
texts of patterns, stand where a compiled pattern would cost every run and serve few.
"""

import re
from collections.abc import Mapping, Sequence

from edgeslm.ask.lexicon import column_words
from edgeslm.ask.measures import is_unit

COMPARED = re.compile(  # what stands before a number that values are compared with
    r"(?:[<>]=?|\b(?:than|over|above|below|under|exceed(?:s|ed|ing)?|beyond|past|least|most|up to|reach(?:es|ed|ing)?"
    r"|greater or equal to|topp(?:ed|ing)))\s*$",
    re.I,
)
_WORD = re.compile(r"[a-z']+")
_OPENING = (  # what a question may begin with that says nothing
    r"^\W*(?:(?:so|and|but|please|tell me|can you tell me|hey|hi|hello|ok|okay|well|just|quick question|btw|now"
    r"|do you know|i wonder)\W+)*"
)
_COMPARING = frozenset(
    "than over above below under beneath past beyond upto upward upwards between within outside minimum maximum min max"
    " excess until through limit inferior superior more less fewer longer shorter greater higher lower bigger larger"
    " smaller slower faster older newer later earlier worse better further topped topping hitting crosses crossed"
    " crossing".split()
)
_COMPARING_STARTS = ("exceed", "surpass", "reach")
_COMPARES = re.compile(r"[<>≤≥]|\b(?:at (?:least|most)|up to|and up|or so|from \S+ to)\b|\d ?(?:-|to) ?\d|\d\+", re.I)
_UNIT = r"\s*(?:%|(?:ms|msecs?|millis|milliseconds?|[kmgt]i?b|[kmgt]?bytes?|percent|degrees)\b)"
_TIME_UNIT = r"\s*(?:s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)\b"
_ASKED_FOR = (
    r"(?:^|\b(?:which|what|the|top|first|last|latest|show|list|give|me|name|find|bottom|best|worst|busiest"
    r"|leading))\s*$"
)
_NOUNS = r"\s+(?:[a-z-]+\s+){0,2}?([a-z]+s)\b"
_ORDERED = (
    r"\b(?:(?:most|least) (?:common|frequent|often|active|seen|used|numerous)(?:ly)?|commonest"
    r"|highest(?: (?:count|number)s?)?|largest|biggest|busiest|lowest|smallest|worst|fewest|rarest) (?:ones? )?first\b"
    r"|\bfrom (?:most|highest|largest) to (?:least|lowest|smallest)\b|\bdescending\b"
)
_SHOWING = frozenset("show print display give list find get fetch".split())
_SHOW = rf"^\W*(?:(?:please|can you|could you|would you)\s+)*(?:{'|'.join(sorted(_SHOWING))})(?: me| us)?"
_LINES = (
    _SHOW + r"(?: all| every| each)?(?: of)?(?: the)?(?: whole| full| log)* (?:lines?|entries|entry|messages?|records?)"
    r" (?:that|which|where|in which|with|containing|mentioning|whose|about)\b|" + _SHOW + r" where\b"
    r"|^\W*(?:all )?(?:the )?(?:log )?(?:lines|entries|messages|records)"
    r" (?:that|which|where|in which|with|containing|mentioning|whose|about)\b"
)
_ENDING_IN_LINES = (  # after the words that order something to be shown
    r"(?: all| every)?(?: of)?(?: the| those)?(?: [^\s,]+){0,5}? (?:lines|entries|messages|records)"
    r"(?=\W*$| (?:of|from|between|after|before|during|since|until|about|for|in|on|at|by|saying|please|with"
    r"|where|that)\b)"
)
_LINE_NOUNS = frozenset("lines entries messages records".split())
_DISTINCT = r"^\W*(?:the |all |all the )?(?:distinct|unique|different|uniq)\b"
_COUNTED = frozenset("many number nr no num nb count counts total amount quantity much wc".split())
_SEVERER = frozenset(
    "up upwards anything severe severer severest severity serious problem problems problematic trouble"
    " troubles bad wrong important urgent issue issues alarming plus".split()
)
_DIFFERENT = frozenset("different distinct unique uniq individual separate kinds types sorts".split())
_MANY_LINES = r"\bhow (?:many|often)(?: of the)?(?: \S+){0,2} (?:lines|messages|entries|records|times)\b|\bhow often\b"
_SUPERLATIVE = frozenset("more most busiest fewest least peak highest lowest worst quietest calmest fuller".split())
_GAPS = frozenset(
    "gap gaps free between silence silent silences without interval intervals pause pauses paused quiet apart"
    " consecutive lull break breaks idle successive inactivity inactive stretch no nothing hole holes dead"
    " unlogged spacing distance passed passes elapsed empty downtime outage still dry neighbouring adjacent"
    " next previous stalled hang hung wait waited pass went go missing absence absent since separate separated"
    " separates silenced quietest calm nobody none never not".split()
)
_SHARES = frozenset("percentage percent share fraction proportion pct portion".split())
_SHARE_OF = (  # the whole, and the verb or preposition that the share comes after
    r"\b(?:percentage|percent|share|fraction|proportion|pct|portion) of "
    r"((?:(?!\b(?:percentage|percent|share)\b).)*?(\b(?:is|are|was|were|comes?|came|has|have|had|says?|said|concerns?"
    r"|that|which|from|about|ends?|ended|goes|went|belongs?|contains?|mentions?|hits?|fails?|failed with|took|takes"
    r"|does|do|did|due)\b).*)"
)
_ALL_LINES = frozenset(
    "a all the of in this these our my its whole entire complete total log logs file line lines entry entries message"
    " messages record records event events everything it and".split()
)
_WHICH = _OPENING + r"(?:(?:show me|give me)\W+)*(?:which|who|whose)\b"
_NO_THINGS = frozenset(
    "line lines entry entries message messages record records time times when many often percentage percent share much"
    " long first last latest earliest newest oldest percentile average gap".split()
)
_WHEN_LINES = frozenset("before after while until".split())
_HOW_MANY = _OPENING + r"(?:how (?:many|often)|number of)\b((?: \S+){0,3})"
_BY_AMOUNT = (
    r"\bby (?:the |their )?(?:total|sum|summed|average|avg|mean|median|combined|maximum|minimum|max|min)\b"
    r" (?!(?:number|count|lines|messages|errors|entries)\b)|\b(?:most|fewest|least) (?:bytes|[kmgt]i?b|(?:kilo|mega|giga)bytes)\b"
)
_HOW_MUCH = _OPENING + r"how (?:many|much) (\w+)"
_AT_WHICH = _OPENING + r"(?:when (?:did|was|were|had|has|is)|at what time)\b"
_WHAT = (
    _OPENING
    + r"what(?:'?s| is| was)\b|"
    + _OPENING
    + r"what (?!time|times|date|day|hour|minute|moment|second|kind|sort|percentage|share|happen)[a-z-]+(?: [a-z-]+)? (?:did|was|does|has|had|is)\b"
)
_PIECES = frozenset(
    "second seconds minute minutes hour hours day days date dates week weeks month months year years time times"
    " period periods hourly daily busiest".split()
)
_CLOCK = frozenset("time times date day moment when timestamp ts hour minute".split())
_SAID = frozenset(
    "message messages text said say says happened happening going events event entry error errors case"
    " cases occurrence wording logged".split()
)
_WHETHER = (
    _OPENING + r"(?:(?:did|was|were|has|have|had|is there|are there|does|do)\b"
    r"(?! (?:more|most|less|fewer)\b)|any\b)"
)
_IF_ANY = r"\bif (?:there (?:is|are|was|were) )?(?:any|one|some)\b(?! of)\W*$"
_LONGEST_GAP = (
    r"\b(?:longest|largest|biggest|greatest|max|maximum|maximal|widest) (?:time )?"
    r"(?:gap|silence|pause|silent (?:period|phase|stretch)|quiet (?:period|phase|stretch)|lull)\b"
)
_RANKED = frozenset("top median rank ranks ranked ranking winner compare compared versus vs".split())
_RANKING = _SUPERLATIVE | frozenset(
    "top rank ranks ranked ranking leading leader winner first last order ordered sort sorted descending best worst"
    " more less which what when single one main chiefly mostly predominantly primary dominant maximum max minimum min"
    " foremost compare compared versus vs".split()
)
_HIGH = frozenset("longest largest biggest highest greatest maximum max maximal slowest peak latest".split())
_LOW = frozenset("shortest smallest lowest least minimum min minimal fastest quickest tiniest briefest".split())
_MEANS = frozenset("average averages averaged avg mean".split())
_IN_ALL = r"\b(?:in (?:all|total|sum)|altogether|all together|add(?:ed)? (?:them |it )?(?:all )?up|sum of|total of)\b"
_TO_MEAN = r"\b(?:(?:i|we|you|they)|do(?:es)? (?:it|that|this))\s+mean\b"  # what is said, not what is reckoned
_SPEEDS = frozenset("speed speeds rate rates throughput bandwidth free left remaining".split())
_PER_BUCKET = (
    r"\b(?:per|by|(?:for |in |on )?each|(?:for |in )?every|by the) (?:calendar )?(second|minute|hour|day|week|month|year)\b(?! of)"
    r"|\b(hourly|daily|weekly|monthly|yearly)\b"
)
_OFTEN = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_JOINING = frozenset(
    "or and both either any all nor neither plus as together besides including these those than versus vs compared".split()
)
_BEST_BUCKET = _OPENING + r"(?:(?:in|on|at|during) )?(?:which|what) (?:one )?(second|minute|hour|day|date|week|month)\b"
_SHARE_ASKED = (
    _OPENING + r"(?:what(?:'s| is| was)? )?(?:the )?(?:percentage|percent|pct|proportion|fraction|share) of\b"
)
_WHICH_BUCKET = r"\b(?:which|what) (?:one )?(?:second|minute|hour|day|date|week|month)\b"
_NO_LINES = frozenset(
    "per by each every grouped number count counts counted share percent percentage average mean sum total first last"
    " latest earliest most least fewest top".split()
)
_WHEN = frozenset(
    "ts time times date dates dated day days moment moments earliest since until till hour hours minute minutes o'clock"
    " clock ago point newest oldest instant onset early seen frist firts fisrt".split()
)
_WHEN_STARTS = tuple("when last lat recent fresh start begin began begun end finish initial final first soon".split())


def compares(question: str) -> bool:
    """Whether the question says anything by which a number may be a bound: `more than 5`, `5 or longer`, `> 5`."""
    words = _words(question)
    return (
        not _COMPARING.isdisjoint(words)
        or any(word.startswith(_COMPARING_STARTS) for word in words)
        or _COMPARES.search(question) is not None
    )


def find_measures(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that are a size or a duration, never how many lines or values: `more than 5 seconds`.

    "the 5 seconds with most lines" has none: a count may stand before a word for a time unless it is compared with.
    """
    found = set()
    for handle, ((start, end), _) in numbers.items():
        after = question[end:]
        timed = re.match(_TIME_UNIT, after, re.I) and COMPARED.search(question[:start])
        if timed or re.match(_UNIT, after, re.I):
            found.add(handle)
    return frozenset(found)


def find_counts(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that say how many values to give, never what a value is: `which 3 process ids`."""
    return frozenset(
        handle
        for handle, ((start, end), _) in numbers.items()
        if (after := re.match(_NOUNS, question[end:], re.I))
        and after[1].casefold() in column_words()
        and re.search(_ASKED_FOR, question[:start], re.I)
    )


def asks_for_order(question: str) -> bool:
    """Whether it says in what order a ranking shall come, so that all of it is wanted: `most frequent first`."""
    may = not {"first", "descending", "from"}.isdisjoint(_words(question))
    return may and re.search(_ORDERED, question, re.I) is not None


def asks_for_lines(question: str) -> bool:
    """Whether it orders lines to be shown and names no order, number or group of them: `lines with …`."""
    may = not (_SHOWING | _LINE_NOUNS).isdisjoint(_words(question))
    order = (re.match(_LINES, question, re.I) or re.match(_SHOW + _ENDING_IN_LINES, question, re.I)) if may else None
    if order is None or not (_NO_LINES | _HIGH | _LOW | _MEANS).difference(("each", "every")).isdisjoint(
        _words(order.group())
    ):
        return False
    rest = question[order.end() :]
    words = _words(rest)
    other = not _NO_LINES.isdisjoint(words) or any(word.endswith("est") and len(word) > 5 for word in words)
    return not other and re.search(r"\bhow (?:many|much|often)\b", rest, re.I) is None


def asks_for_values(question: str) -> bool:
    """Whether it names different values and no number of them: `distinct status codes`."""
    named = re.match(_DISTINCT, question, re.I) is not None
    return named and _COUNTED.isdisjoint(_words(question)) and "#" not in question


def asks_for_more_severe(question: str) -> bool:
    """Whether a level may be meant with those above it: `errors or worse`, `severe problems`."""
    return compares(question) or not _SEVERER.isdisjoint(_words(question))


def asks_for_different(question: str) -> bool:
    """Whether it says that equal values count once: `different`, `unique`."""
    return not _DIFFERENT.isdisjoint(_words(question))


def counts_lines(question: str) -> bool:
    """Whether it asks how many lines there are, so of no column how many values: `how many error lines`."""
    words = _words(question)
    return _DIFFERENT.isdisjoint(words) and re.search(_MANY_LINES, question, re.I) is not None


def asks_for_share_of_some(question: str) -> bool:
    """Whether it asks for a share of some lines only: `what percentage of the failed logins came from …`.

    Of a "percentage of errors" without a verb the errors are the share, and all lines the whole.
    """
    found = re.search(_SHARE_OF, question, re.I) if not _SHARES.isdisjoint(_words(question)) else None
    if found is None:
        return False
    whole, _, part = found[1].partition(found[2])
    said = [word for word in _words(whole) if word not in _ALL_LINES]
    return bool(said) and bool(part.strip())


def asks_for_things(question: str) -> bool:
    """Whether it asks which things there are, so for no number, time or line: `which upstreams failed`.

    Not where it may mean a line or the first or last of something: `which error came last`.
    """
    found = re.match(_WHICH, question, re.I)
    words = set(_words(question))
    return found is not None and words.isdisjoint(_NO_THINGS) and not any(word in _WHEN_LINES for word in words)


def asks_whether(question: str) -> bool:
    """Whether it asks if something happened at all: `did we run out of memory`, `any trouble with the pumps`."""
    return re.match(_WHETHER, question, re.I) is not None or re.search(_IF_ANY, question, re.I) is not None


def asks_how_many(question: str) -> bool:
    """Whether it asks for a number of lines or things, and not for one of units: `how many minutes`."""
    found = re.match(_HOW_MANY, question, re.I)
    return found is not None and not any(is_unit(word) for word in _words(found[1] or ""))


def asks_for_amount(question: str) -> str:
    """The unit of which it asks how much there is, so for no number of lines or things: of `how many bytes were sent`."""
    found = re.match(_HOW_MUCH, question, re.I)
    return found[1] if found is not None and is_unit(found[1]) and found[1].casefold() not in _SHARES else ""


def ranks_by_amount(question: str) -> bool:
    """Whether what it ranks by is a sum or an average, no number of lines: `by total bytes`, `the most bytes`."""
    return re.search(_BY_AMOUNT, question, re.I) is not None


def asks_when(question: str) -> bool:
    """Whether it asks for one moment and no stretch of time: `when did the backup start`; not `when was it busiest`."""
    return re.match(_AT_WHICH, question, re.I) is not None and not may_rank(_without_order(question))


def asks_what(question: str) -> bool:
    """Whether it asks what something was, so for no lines: `what is the last totalCalories`."""
    words = _words(question)
    return re.match(_WHAT, question, re.I) is not None and _LINE_NOUNS.union(_SAID).isdisjoint(words)


def asks_for_extreme(question: str) -> bool:
    """Whether it asks what the highest or lowest of some numbers was, so for no lines or number of them."""
    words = set(_words(question))
    extreme = words & (_HIGH | _LOW) - {"latest"}
    return bool(extreme) and asks_what(question) and words.isdisjoint(_COUNTED | _SHARES | _PIECES)


def asks_for_top_things(question: str) -> bool:
    """Whether it asks for the first of some things that are no stretches of time: `top 3 hosts`."""
    words = set(_words(question))
    return "top" in words and words.isdisjoint(_PIECES | _CLOCK | {"when"})


def names_time(question: str) -> bool:
    """Whether it says a word for a time outright: `what is the last time …`."""
    return not _CLOCK.isdisjoint(_words(question))


def _without_order(question: str) -> str:
    """The question without `first`, `last` and `which`, which order lines by time where a moment is asked for."""
    return re.sub(r"\b(?:when|first|last|which|what|main|more|less|order\w*|sort\w*)\b", " ", question, flags=re.I)


def may_rank(question: str) -> bool:
    """Whether any word of it could ask for the first of a ranking: `most`, `top`, `which … more`."""
    words = _words(question)
    return not _RANKING.isdisjoint(words) or any(_is_superlative(word) for word in words)


def asks_for_gap(question: str) -> bool:
    """Whether it asks outright for the longest time without a line."""
    return re.search(_LONGEST_GAP, question, re.I) is not None


def may_ask_for_gap(question: str) -> bool:
    """Whether any word of it could ask for the time between neighbouring lines: `longest gap`, `silent for`."""
    return not _GAPS.isdisjoint(_words(question))


def find_aggregates(question: str, every: Sequence[str]) -> tuple[str, ...]:
    """Those of the aggregates that it may ask for: for `average` no other; for `longest` no minimum."""
    words = set(_words(re.sub(_TO_MEAN, " ", question, flags=re.I)))
    means, median = not _MEANS.isdisjoint(words), "median" in words
    high, low = not _HIGH.isdisjoint(words), not _LOW.isdisjoint(words)
    if (means or median) and not high and not low:
        return tuple(one for one in every if (one == "avg" and means) or (one == "median" and median))
    if asks_how_many(question):
        every = [one for one in every if one not in ("avg", "median")]
    if "sum" in every and not high and not low and re.search(_IN_ALL, question, re.I):
        return ("sum",)
    if not words.isdisjoint(_SPEEDS) or high == low:
        return tuple(every)
    return tuple(one for one in every if one != ("min" if high else "max"))


def asked_bucket(question: str) -> str:
    """The piece of time of which each is asked for: of `lines per month`, `errors by day`, `monthly`; "" for none.

    Not of an average or a most, which are asked of those pieces.
    """
    words = set(_words(question))
    if not words.isdisjoint(_MEANS | _SUPERLATIVE | _RANKED | _SPEEDS | _HIGH | _LOW) or any(
        _is_superlative(word) for word in words
    ):
        return ""
    found = {one[1] or _OFTEN[one[2]] for one in re.finditer(_PER_BUCKET, question.casefold())}
    return found.pop() if len(found) == 1 else ""


def may_join(question: str) -> bool:
    """Whether one of several conditions may be enough: it names more than one thing, with `or`, `and` or a comma."""
    return not _JOINING.isdisjoint(_words(question)) or re.search(r"[,/|&+;]", question) is not None


def asks_for_one_bucket(question: str) -> bool:
    """Whether it asks which stretch of time had the most or the least: `on which day were there more errors`."""
    words = _words(question)
    return not _SUPERLATIVE.isdisjoint(words) and re.search(_WHICH_BUCKET, question, re.I) is not None


def best_bucket(question: str) -> str:
    """The stretch of time of which it asks for the one with most or least: of `which hour had the most errors`; or ""."""
    found = re.match(_BEST_BUCKET, question, re.I) if asks_for_one_bucket(question) else None
    return "day" if found and found[1].casefold() == "date" else found[1].casefold() if found else ""


def asks_for_share(question: str) -> bool:
    """Whether it asks outright for a share of lines in percent: `what percentage of`, `pct of`."""
    grouped = not {"per", "by", "each", "every"}.isdisjoint(_words(question))
    return not grouped and re.match(_SHARE_ASKED, question, re.I) is not None


def find_bounds(question: str, numbers: Mapping[str, tuple[tuple[int, int], str]]) -> frozenset[str]:
    """The handles of numbers that something is compared with: `more than ten`."""
    return frozenset(
        handle
        for handle, ((start, end), _) in numbers.items()
        if COMPARED.search(question[:start]) and not re.match(_TIME_UNIT, question[end:], re.I)
    )


def may_ask_when(question: str) -> bool:
    """Whether any word of it (without its time ranges) could ask for a moment: `when`, `last`, `started`, `ts`."""
    words = _words(question)
    return (
        not _WHEN.isdisjoint(words)
        or any(word.startswith(_WHEN_STARTS) or "stamp" in word for word in words)
        or "how long" in question.casefold()
    )


def _is_superlative(word: str) -> bool:
    return word.endswith("est") and len(word) > 4


def _words(question: str) -> list[str]:
    return _WORD.findall(question.casefold())
