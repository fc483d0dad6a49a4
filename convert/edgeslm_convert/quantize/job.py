"""What `edgeslm quantize` does from beginning to end: importance, types, file, report. It knows no command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from edgeslm.engine.cores import default_threads
from edgeslm.errors import InputError
from edgeslm_convert.quantize.apply import check_fallbacks, write
from edgeslm_convert.quantize.budget import MIXTURE, Fitted, parse_bytes, quantize_to_size
from edgeslm_convert.quantize.collect import collect
from edgeslm_convert.quantize.divergence import Reference
from edgeslm_convert.quantize.imatrix import ImportanceMatrix, load
from edgeslm_convert.quantize.plan import Plan, make_plan
from edgeslm_convert.quantize.request import Request
from edgeslm_convert.quantize.sensitivity import CANDIDATES
from edgeslm_convert.quantize.table import Row, file_row, to_markdown
from edgeslm_convert.quantize.vocabulary import Vocabulary, read_sequences

_MOST_SENSITIVE = 5


@dataclass(frozen=True)
class Job:
    """The options of `edgeslm quantize`; see there."""

    source: Path
    out: Path
    type: str | None = None
    target: str | None = None
    calibration: tuple[Path, ...] = ()
    tokens: int = 16384
    measure_tokens: int = 2048
    chunk: int = 512
    imatrix: Path | None = None
    save_imatrix: Path | None = None
    use_imatrix: bool = True
    overrides: tuple[str, ...] = ()
    candidates: tuple[str, ...] = CANDIDATES
    grouping: str = "tensor"
    pure: bool = False
    strict: bool = False
    requantize: bool = False
    dry_run: bool = False


def run(job: Job, *, say: Callable[[str], None]) -> None:
    """Do it. Raises InputError for options that contradict each other, ModelError for the rest."""
    overrides = _check(job)
    Vocabulary(job.source)
    threads = default_threads()
    if job.type and job.imatrix is None and not (job.calibration and job.use_imatrix):
        make_plan(job.source, Request(job.type, None, overrides, job.pure, job.requantize))  # fail before reading texts
    importance = None if job.dry_run and not job.imatrix else _importance(job, threads, say)
    if job.target:
        fitted = _fit(job, importance, threads)
        say(_fitted_text(job, fitted))
        return
    assert job.type is not None
    request = Request(job.type, importance, overrides, job.pure, job.requantize, threads)
    plan = make_plan(job.source, request)
    for fallback in plan.fallbacks:
        say(fallback.to_text())
    check_fallbacks(plan, request, strict=job.strict)
    if job.dry_run:
        say(_plan_text(plan))
        return
    done = write(plan, request, job.out)
    say(done.to_text().split("\n")[0])
    if job.calibration:
        reference = _reference(job, threads)
        found = reference.compare(job.out)
        say(to_markdown([_base_row(job, reference), file_row(job.out, found, found.perplexity)]))


def _check(job: Job) -> dict[str, str]:
    """The overrides by tensor. Raises InputError that names every contradiction."""
    wrong = []
    if bool(job.type) == bool(job.target):
        wrong.append("give either --type or --target-bytes")
    if job.target and not job.calibration:
        wrong.append("--target-bytes needs --calibration to measure on")
    if job.target and (job.overrides or job.pure or job.dry_run):
        wrong.append("--target-bytes chooses every type itself: leave out --tensor-type, --pure and --dry-run")
    if job.save_imatrix and not (job.calibration and job.use_imatrix):
        wrong.append("--save-imatrix needs --calibration, and no --no-imatrix")
    pairs = [text.partition("=") for text in job.overrides]
    wrong += [
        f"--tensor-type {name} is not NAME=TYPE" for name, equals, kind in pairs if not (name and equals and kind)
    ]
    if wrong:
        raise InputError("cannot quantize with these options", reason="; ".join(wrong))
    return {name: kind for name, _, kind in pairs}


def _importance(job: Job, threads: int, say: Callable[[str], None]) -> ImportanceMatrix | None:
    if job.imatrix:
        return load(job.imatrix)
    if not job.calibration or not job.use_imatrix:
        return None
    sequences = read_sequences(job.source, job.calibration, chunk=job.chunk, limit=job.tokens)
    with tqdm(total=sum(map(len, sequences)), unit="tok", desc="importance", disable=None) as bar:
        names = [path.name for path in job.calibration]
        matrix = collect(job.source, sequences, datasets=names, threads=threads, progress=bar.update)
    if job.save_imatrix:
        say(f"wrote {matrix.save(job.save_imatrix)}, {len(matrix.entries)} matrices of weights")
    return matrix


def _reference(job: Job, threads: int) -> Reference:
    """On tokens that importance was not gathered from, where the text is long enough."""
    try:
        sequences: Sequence[Sequence[int]] = read_sequences(
            job.source, job.calibration, chunk=job.chunk, limit=job.measure_tokens, skip=job.tokens
        )
    except InputError:
        sequences = read_sequences(job.source, job.calibration, chunk=job.chunk, limit=job.measure_tokens)
    return Reference(job.source, sequences, threads=threads)


def _fit(job: Job, importance: ImportanceMatrix | None, threads: int) -> Fitted:
    assert job.target is not None
    target = parse_bytes(job.target)
    reference = _reference(job, threads)
    with tqdm(desc="sensitivity", unit="trial", disable=None) as bar:

        def show(name: str, done: int, of: int) -> None:
            bar.total = of
            bar.set_postfix_str(name, refresh=False)
            bar.update(done - bar.n)

        return quantize_to_size(
            job.source,
            job.out,
            target,
            reference,
            imatrix=importance,
            candidates=job.candidates,
            grouping=job.grouping,
            threads=threads,
            progress=show,
        )


def _fitted_text(job: Job, fitted: Fitted) -> str:
    rows = [file_row(job.source, None, fitted.divergence.reference)]
    rows += [
        Row(one.name, one.file_bytes, one.bits, one.divergence, one.divergence.perplexity) for one in fitted.considered
    ]
    worst = sorted(fitted.groups, key=lambda group: max(group.harm.values()), reverse=True)[:_MOST_SENSITIVE]
    named = ", ".join(f"{group.name} ({max(group.harm.values()):.2g})" for group in worst)
    how = "types by sensitivity" if fitted.chosen == MIXTURE else f"{fitted.chosen}, which was nearer than a mixture"
    return (
        f"{fitted.quantized.to_text()}\n{how}\nmost sensitive, mean KL at its worst type: {named}\n{to_markdown(rows)}"
    )


def _plan_text(plan: Plan) -> str:
    lines = [f"{tensor.name}: {tensor.type.name} -> {plan.types[tensor.name].name}" for tensor in plan.changed]
    return "\n".join(
        [*lines, f"{plan.file_bytes:,} bytes, {plan.bits_per_weight:.2f} bits a weight ({plan.summary()})"]
    )


def _base_row(job: Job, reference: Reference) -> Row:
    return file_row(job.source, None, reference.perplexity)
