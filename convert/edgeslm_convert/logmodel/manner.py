"""How people type: politeness, case, end marks and slips, and how they write numbers, dates and clock times."""

import random
import re
from datetime import datetime
from typing import Any

NUMBERS = {
    2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve",
    15: "fifteen", 20: "twenty",
}  # fmt: skip
_QUESTION = re.compile(r"(how|when|which|what|who|at what|did|was|is|are|were)\b", re.I)


def as_typed(text: str, modifiers: dict[str, Any], rng: random.Random) -> str:
    """Politeness, case, end mark and typos, as people type. modifiers: that file of the wording bank."""
    question = bool(_QUESTION.match(text))
    roll = rng.random()
    if roll < 0.05:
        text = f"{rng.choice(modifiers['politeness_prefix'])} {text}"
    elif roll < 0.09:
        text = (
            f"{rng.choice(modifiers['politeness_prefix_question' if question else 'politeness_prefix_order'])} {text}"
        )
    if rng.random() < 0.1:
        suffix = rng.choice(modifiers["politeness_suffix"])
        text = text.rstrip("?. ") + ("" if suffix[0] in ",?!." else " ") + suffix
    roll = rng.random()
    if roll < 0.25:
        text = text.rstrip("?.")
    if rng.random() < 0.3:
        text = _lower(text)
    if rng.random() < 0.1:
        text = _typo(text, rng)
    return text


def _lower(text: str) -> str:
    return "".join(part if part.startswith('"') else part.lower() for part in re.split(r'("[^"]*")', text))


def _typo(text: str, rng: random.Random) -> str:
    """One slip in one plain word: a swap, a lost, a doubled or a wrong letter."""
    places = list(re.finditer(r"(?<![\w./\"-])[a-z]{5,}(?![\w./\"-])", text))
    if not places:
        return text
    match = rng.choice(places)
    word = match.group()
    at = rng.randint(1, len(word) - 2)
    slip = rng.choice(["swap", "lose", "double", "wrong"])
    changed = {
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "lose": word[:at] + word[at + 1 :],
        "double": word[:at] + word[at] + word[at:],
        "wrong": word[:at] + rng.choice("aeiorstnl") + word[at + 1 :],
    }[slip]
    return text[: match.start()] + changed + text[match.end() :]


def plural(noun: str) -> str:
    """The plural of a noun, as far as a suffix makes it."""
    return noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")


def tidy(text: str) -> str:
    """Without the gaps and commas that empty places leave."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([?.,:;!])", r"\1", text)
    text = re.sub(r"^[,:;]\s*", "", text)
    return re.sub(r",\s*([?.])", r"\1", text).strip(" ,:")


def write_clock(moment: datetime, layout: str) -> str:
    """A clock time in a strftime layout, `pm` in lower case."""
    return moment.strftime(layout).lower() if "%p" in layout else moment.strftime(layout)


def write_date(moment: datetime, rng: random.Random) -> str:
    """A day in one of the ways people write it."""
    day = moment.day
    suffix = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    layouts = [
        "%Y-%m-%d", f"%B {day}", f"%b {day}", f"{day} %B", f"{day} %b", f"%b {day}{suffix}", f"the {day}{suffix} of %B",
        f"%A %B {day}", f"%B {day}, %Y", f"the {day}{suffix}",
    ]  # fmt: skip
    return moment.strftime(rng.choice(layouts))
