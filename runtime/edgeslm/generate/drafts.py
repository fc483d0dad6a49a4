"""Where drafted tokens come from: the text itself (n-grams), or the model's own first layers.

Drafts are guesses: a wrong one costs time, never a wrong token. It refuses to verify them.
"""

from __future__ import annotations

from typing import Protocol

from edgeslm.engine.costs import Costs
from edgeslm.generate.decoder import Decoder

_SIZES = (8, 4, 2)  # tokens that must repeat before what followed them is drafted; the longest is looked for first
_MOST_MATCHED = 32


class Drafter(Protocol):
    """Proposes the tokens after `pending`, the last one chosen, which the decoder has not read yet."""

    def evidence(self, pending: int) -> int | None:
        """A kind of guess: those of one kind are right about equally often. None where there is no guess."""
        ...

    def draft(self, pending: int, length: int) -> list[int]:
        """At most `length` tokens, after `evidence` of the same token. The decoder is left as it was."""
        ...

    def cost(self) -> float:
        """Plain tokens of time for one drafted token."""
        ...

    def observe(self, cost: float) -> None:
        """A drafted token has just cost so many plain tokens."""
        ...


class LookupDrafter:
    """Drafts what followed when the same tokens stood in the prompt or in the text written so far.

    A place that goes on being right is followed for as long as it is: a quoted line is then drafted from that very
    line, not from the last one that looks like it. Source: Saxena 2023, Prompt Lookup Decoding.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._text: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}  # n-gram -> where the token after it stands, the last time
        self._place: int | None = None  # of the token to be drafted next
        self._matched = 0  # tokens before that place that equal the text's last ones

    def evidence(self, pending: int) -> int | None:
        """The longer the match, the higher: 1 for two tokens, then one more each time it doubles."""
        for token in self._decoder.tokens[len(self._text) :]:
            self._append(token)
        self._append(pending)
        if self._place is None or self._matched < _SIZES[0]:
            self._look_up()
        return None if self._place is None else self._matched.bit_length() - 1

    def draft(self, pending: int, length: int) -> list[int]:
        """What followed at the place found."""
        return [] if self._place is None else self._text[self._place : self._place + length]

    def cost(self) -> float:
        """Nothing beside a step of the model."""
        return 0.0

    def observe(self, cost: float) -> None:
        """Nothing to learn."""

    def _append(self, token: int) -> None:
        """Go on by a token; n-grams are known once something follows them. The text only ever grows."""
        text = self._text
        if self._place is not None:
            if text[self._place] == token:
                self._place += 1
                self._matched = min(_MOST_MATCHED, self._matched + 1)
            else:
                self._place = None
        end = len(text)
        for size in _SIZES:
            if size <= end:
                self._places[tuple(text[end - size :])] = end
        text.append(token)

    def _look_up(self) -> None:
        text, end = self._text, len(self._text)
        for size in _SIZES:
            if self._place is not None and size <= self._matched:
                return
            place = self._places.get(tuple(text[-size:])) if size <= end else None
            if place is not None:
                matched = size
                while matched < min(place, _MOST_MATCHED) and text[place - matched - 1] == text[end - matched - 1]:
                    matched += 1
                self._place, self._matched = place, matched
                return


class SelfDrafter:
    """Drafts with the first layers of the model itself: same weights, same KV cells, an earlier exit.

    Source: Elhoushi et al. 2024, LayerSkip, section 4.3 (there the draft's KV entries are kept; here a verify computes
    all layers again, which spares a second kind of graph).
    """

    def __init__(self, decoder: Decoder, layer: int, costs: Costs) -> None:
        """layer: where to exit."""
        self._decoder = decoder
        self._costs = costs
        self.layer = layer

    def evidence(self, pending: int) -> int | None:
        """There is always a guess, and only one kind."""
        return 0

    def draft(self, pending: int, length: int) -> list[int]:
        """The tokens that the first layers find most likely, one after the other."""
        decoder, held = self._decoder, len(self._decoder.tokens)
        drafted: list[int] = []
        decoder.exit_layer = self.layer
        try:
            while len(drafted) < min(length, decoder.room):
                decoder.read([drafted[-1] if drafted else pending])
                drafted += decoder.best(0, 1)[0]
        finally:
            decoder.exit_layer = 0
            decoder.keep(held)
        return drafted

    def cost(self) -> float:
        """One token up to the exit."""
        return self._costs.exit(self.layer, self._decoder.model.n_layer)

    def observe(self, cost: float) -> None:
        """Learn what the exit costs."""
        self._costs.observe_exit(self.layer, cost)
