"""Where drafted tokens come from: the text itself (n-grams), or the model's own first layers.

Drafts are guesses: a wrong one costs time, never a wrong token. It refuses to verify them.
"""

from __future__ import annotations

from typing import Protocol

from edgeslm.engine.costs import Costs
from edgeslm.generate.decoder import Decoder

_MOST_MATCHED = 32  # tokens; whether more than that agree is not looked at
_LONG = 8  # tokens that agree, from which on no better place is looked for
_MOST_PLACES = 8  # of a pair of tokens, the latest ones; the one with the longest match is followed


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
        self._places: dict[
            tuple[int, int], int
        ] = {}  # pair of tokens -> where the token after it stands, the last time
        self._earlier: list[int] = []  # for each place, the last one before it after the same pair; 0 for none
        self._place: int | None = None  # of the token to be drafted next
        self._matched = 0  # tokens before that place that equal the text's last ones

    def evidence(self, pending: int) -> int | None:
        """The longer the match, the higher: 1 for two tokens, then one more each time it doubles."""
        for token in self._decoder.tokens[len(self._text) :]:
            self._append(token)
        self._append(pending)
        if self._place is None or self._matched < _LONG:
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
        """Go on by a token; a pair is known once something follows it. The text only ever grows."""
        text, end = self._text, len(self._text)
        if self._place is not None:
            if text[self._place] == token:
                self._place += 1
                self._matched = min(_MOST_MATCHED, self._matched + 1)
            else:
                self._place = None
        if end > 1:
            pair = (text[-2], text[-1])
            self._earlier.append(self._places.get(pair, 0))
            self._places[pair] = end
        else:
            self._earlier.append(0)
        text.append(token)

    def _look_up(self) -> None:
        """Take the latest place with the longest match, where that is longer than the match that is followed."""
        text, end = self._text, len(self._text)
        place = self._places.get((text[-2], text[-1]), 0) if end > 1 else 0
        longest = 1 if self._place is None else self._matched
        for _ in range(_MOST_PLACES):
            if not place:
                return
            matched = 2
            while matched < min(place, _MOST_MATCHED) and text[place - matched - 1] == text[end - matched - 1]:
                matched += 1
            if matched > longest:
                self._place, self._matched = place, matched
                longest = matched
            place = self._earlier[place]


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
