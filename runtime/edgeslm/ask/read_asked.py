"""Reads what a question's words say of its answer's form. Only what no reading could mean is ruled out."""

from collections.abc import Mapping, Sequence

from edgeslm.ask.amounts import (
    asks_for_amount,
    asks_for_more_severe,
    asks_for_share,
    asks_for_share_of_some,
    compares,
    find_aggregates,
    find_bounds,
    find_counts,
    find_measures,
    may_ask_for_share,
    ranks_by_amount,
)
from edgeslm.ask.asked import AGGREGATES, Asked
from edgeslm.ask.candidates import ValueHandle
from edgeslm.ask.measures import find_units
from edgeslm.ask.negation import excludes_outright, kept_values, left_out, may_exclude
from edgeslm.ask.outright import (
    asks_for_different,
    asks_for_extreme,
    asks_for_lines,
    asks_for_order,
    asks_for_things,
    asks_for_top_things,
    asks_for_values,
    asks_how_many,
    asks_how_many_each,
    asks_how_often_each,
    asks_what,
    counts_lines,
    may_join,
)
from edgeslm.ask.phrases import may_rank
from edgeslm.ask.stretches import (
    amount_bucket,
    asked_bucket,
    asks_for_gap,
    asks_for_one_bucket,
    asks_for_time_between,
    asks_when,
    asks_when_most,
    best_bucket,
    may_ask_for_gap,
    may_ask_when,
    names_time,
)


def read_asked(
    question: str, blank: str, numbers: Mapping[str, tuple[tuple[int, int], str]], values: Sequence[ValueHandle]
) -> Asked:
    """What a question asks for.

    blank: the question with spaces for its time ranges and values. numbers: N1 -> its place in `blank` and its text.
    """
    return Asked(
        lines=asks_for_lines(blank),
        may_share=may_ask_for_share(question),
        things=asks_for_things(question),
        number=asks_how_many(question),
        line_count=counts_lines(question),
        listed=asks_for_values(blank),
        different=asks_for_different(question),
        what=asks_what(question),
        extreme=asks_for_extreme(question),
        at=asks_when(question),
        at_most=asks_when_most(question),
        when=may_ask_when(blank),
        clock=names_time(question),
        between=asks_for_time_between(blank),
        gap=asks_for_gap(blank),
        gaps=may_ask_for_gap(blank),
        bucket=asked_bucket(blank),
        bucket_amount=amount_bucket(blank),
        best_bucket=best_bucket(blank),
        one_bucket=asks_for_one_bucket(blank),
        ordered=asks_for_order(blank),
        counted=asks_how_many_each(question),
        each=asks_how_often_each(blank, numbers),
        ranked=may_rank(blank),
        top_things=asks_for_top_things(question),
        by_amount=ranks_by_amount(question),
        amount=asks_for_amount(question),
        aggregates=find_aggregates(blank, AGGREGATES),
        share=asks_for_share(question),
        some=asks_for_share_of_some(question),
        compares=compares(blank),
        bounds=find_bounds(blank, numbers),
        measures=find_measures(blank, numbers),
        counts=find_counts(blank, numbers),
        units=find_units(blank, numbers),
        severer=asks_for_more_severe(blank) or sum("level" in value.columns for value in values) > 1,
        alternatives=may_join(question),
        excludes=may_exclude(question),
        without=excludes_outright(question),
        left_out=left_out(question, values),
        kept=kept_values(question, values),
    )
