"""Where drafted tokens come from: the text itself (n-grams), or the model's own first layers.

Drafts are guesses: a wrong one costs time, never a wrong token. It refuses to verify them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgeslm.generate.decoder import Decoder

_SHORTEST, _LONGEST = 2, 4  # tokens that must repeat before what followed them is drafted


class Drafter(Protocol):
    """Proposes the tokens after `pending`, the last one chosen, which the decoder has not read yet."""

    def draft(self, pending: int, length: int) -> list[int]:
        """At most `length` tokens; fewer or none where it has no idea. The decoder is left as it was."""
        ...

    def cost(self) -> float:
        """Milliseconds for one drafted token."""
        ...


class LookupDrafter:
    """Drafts what followed the last time the same tokens stood in the prompt or in the text written so far.

    Source: Saxena 2023, Prompt Lookup Decoding.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._text: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}  # n-gram -> where the token after it stands

    def draft(self, pending: int, length: int) -> list[int]:
        """What followed the longest ending that was seen before."""
        self._learn([*self._decoder.tokens, pending])
        for size in range(_LONGEST, _SHORTEST - 1, -1):
            place = self._places.get(tuple(self._text[-size:]))
            if place is not None and len(self._text) > size:
                return self._text[place : place + length]
        return []

    def cost(self) -> float:
        """Nothing beside a step of the model."""
        return 0.0

    def _learn(self, text: Sequence[int]) -> None:
        """Remember the n-grams of `text` that are followed by something. The text only ever grows."""
        for end in range(max(1, len(self._text)), len(text)):
            for size in range(_SHORTEST, min(_LONGEST, end) + 1):
                self._places[tuple(text[end - size : end])] = end
        self._text = list(text)


class SelfDrafter:
    """Drafts with the first layers of the model itself: same weights, same KV cells, an earlier exit.

    Source: Elhoushi et al. 2024, LayerSkip, section 4.3 (there the draft's KV entries are kept; here a verify computes
    all layers again, which spares a second kind of graph).
    """

    def __init__(self, decoder: Decoder, layer: int, cost: float, least_margin: float = 0.0) -> None:
        """layer: where to exit; cost: its measured time; a draft ends before a token that leads by less (logits)."""
        self._decoder = decoder
        self._cost = cost
        self._least_margin = least_margin
        self.layer = layer

    def draft(self, pending: int, length: int) -> list[int]:
        """The tokens that the first layers find most likely, one after the other."""
        decoder, held = self._decoder, len(self._decoder.tokens)
        drafted: list[int] = []
        decoder.exit_layer = self.layer
        try:
            while len(drafted) < min(length, decoder.room):
                decoder.read([drafted[-1] if drafted else pending])
                tokens, margins = decoder.best(0, 1)
                if drafted and margins[0] < self._least_margin:
                    break
                drafted.append(tokens[0])
        finally:
            decoder.exit_layer = 0
            decoder.keep(held)
        return drafted

    def cost(self) -> float:
        """The measured time of one token up to the exit."""
        return self._cost
