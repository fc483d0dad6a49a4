"""Simulated logs: every source is sound data, and records hold what their templates and slots say."""

from __future__ import annotations

import random
import re

import pytest

from edgeslm.ask.profile import LEVELS
from edgeslm_convert.logmodel.filler import SLOT_TYPES, Filler
from edgeslm_convert.logmodel.invent import invent_source
from edgeslm_convert.logmodel.simulate import HELD_OUT, simulate
from edgeslm_convert.logmodel.templates import SLOT, Source, Template, _template, load_sources

SOURCES = load_sources()
TEMPLATES = [(name, template) for name, source in SOURCES.items() for template in source.templates]
COLUMNS = {
    "host", "app", "pid", "level", "component", "thread", "tid", "status", "bytes", "method", "path", "ip", "user",
    "node", "facility", "request_id", "duration", "unit",
}  # fmt: skip


def fill(text: str, held: dict[str, str]) -> str:
    return SLOT.sub(lambda match: held[match[1]], text)


def check_template(template: Template) -> None:
    kinds = template.slot_types()
    assert not re.search(r"<\w+(?::\w+)?>", SLOT.sub("", template.text)), "a slot that does not read <name:type>"
    assert {kind.split(" ")[0] for kind in kinds.values()} <= SLOT_TYPES
    assert set(template.slots) <= set(kinds)
    assert template.says, "nobody has a word for it"
    for says in template.says:
        assert set(says) == {"np", "nps", "subj", "past", "base"}
        assert all(text.strip() == text and text for text in says.values())
    assert all({"one", "many"} <= set(names) for names in template.slots.values())
    assert template.weight > 0
    Filler(random.Random(1)).value("word")
    for kind in kinds.values():
        assert Filler(random.Random(1)).value(kind)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_known_columns_and_templates(name: str) -> None:
    source = SOURCES[name]
    assert set(source.columns) <= COLUMNS
    assert source.levels == ("level" in source.columns)
    assert len(source.templates) >= 5
    assert len({template.text for template in source.templates}) == len(source.templates)
    for template in source.templates:
        check_template(template)
        assert len(template.slot_types()) == len(SLOT.findall(template.text)), "two slots of one name"
        assert template.level in (LEVELS if source.levels else (None,)), template.text


def test_held_out_sources_are_there() -> None:
    assert set(SOURCES) >= HELD_OUT


@pytest.mark.parametrize("seed", range(30))
def test_an_invented_source_is_as_sound_as_a_written_one(seed: int) -> None:
    source = invent_source(random.Random(seed))
    assert source.templates
    for template in source.templates:
        check_template(template)


@pytest.mark.parametrize("seed", range(12))
def test_records_hold_what_their_template_and_slots_say(seed: int) -> None:
    log = simulate(random.Random(seed))
    assert 80 <= len(log.records) <= 320
    assert len(log.records) == len(log.truth) == len(log.slots)
    for record, at, held in zip(log.records, log.truth, log.slots, strict=True):
        assert record["message"] == fill(log.templates[at].text, held)
        assert set(record) == {"message", "ts", *log.columns}
        assert record["ts"].microsecond == 0
        if "level" in log.columns:
            assert record["level"] in LEVELS
    stamps = [record["ts"] for record in log.records]
    assert stamps == sorted(stamps)


def test_a_seed_decides_everything() -> None:
    one, same, other = (simulate(random.Random(seed)) for seed in (4, 4, 5))
    assert (one.records, one.truth) == (same.records, same.truth)
    assert one.records != other.records


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_sources_never_mix_with_the_others(held_out: bool) -> None:
    for seed in range(40):
        log = simulate(random.Random(seed), size=20, held_out=held_out)
        named = {template.source for template in log.templates} - {"invented"}
        assert not named or (named <= HELD_OUT) is held_out
        assert not named & HELD_OUT or held_out


def test_values_repeat_within_a_log() -> None:
    filler = Filler(random.Random(2))
    assert len({filler.value("ip") for _ in range(300)}) <= 14


def test_a_file_with_names_for_a_slot_that_is_not_there_is_refused() -> None:
    message = {"text": "took <ms:int 1 9> ms", "slots": {"seconds": {"one": "second", "many": "seconds"}}}
    with pytest.raises(ValueError, match=r"x\.toml: no slot \['seconds'\] in 'took <ms:int 1 9> ms'"):
        _template(message, {"name": "x"}, "x.toml")


def test_sources_are_data_only() -> None:
    assert all(isinstance(source, Source) for source in SOURCES.values())
    assert len(SOURCES) > 30
