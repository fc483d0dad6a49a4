"""The training loop: schedule, checkpoints, resumption, and what ends a run with a clear error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeslm.errors import EdgeSlmError, InputError, ModelError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra: convert)")
loop = pytest.importorskip("edgeslm_convert.recover.loop")
Run, Schedule = loop.Run, loop.Schedule
PER_EPOCH = 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_module() -> Any:
    """Two layers with a dropout between them, so that what is random must be repeated too."""
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4))


def load(epoch: int) -> Iterator[tuple[Any, ...]]:
    for number in range(PER_EPOCH):
        generator = torch.Generator().manual_seed(100 * epoch + number)
        yield (torch.randn(3, 4, generator=generator),)


def objective_of(module: Any) -> Any:
    def objective(batch: tuple[Any, ...]) -> Iterator[Any]:
        loss = (module(batch[0]) - batch[0].flip(-1)).square().mean()
        yield loss, {"root": float(loss.detach() ** 0.5)}

    return objective


def start(folder: Path, **settings: Any) -> Any:
    module = make_module()
    return module, Run(module, Schedule(**{"steps": 11, "rate": 0.05, **settings}), folder / "checkpoint.pt")


@pytest.mark.parametrize("optimizer", loop.OPTIMIZERS)
def test_a_run_killed_at_any_step_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path, optimizer: str) -> None:
    module, run = start(tmp_path, optimizer=optimizer)
    for _ in run.steps(load, objective_of(module)):
        pass
    assert run.step == 11
    for killed in (1, PER_EPOCH, PER_EPOCH + 2, 10):
        folder = tmp_path / str(killed)
        folder.mkdir()
        first, broken = start(folder, optimizer=optimizer)
        for _ in broken.steps(load, objective_of(first)):
            if broken.step == killed:
                broken.save()
            if broken.step == killed + 1:  # and a step that is lost
                break
        again, resumed = start(folder, optimizer=optimizer)
        assert resumed.step == killed
        torch.manual_seed(killed)  # whatever was drawn in between
        for _ in resumed.steps(load, objective_of(again)):
            pass
        assert resumed.means == run.means
        assert resumed.seen == run.seen
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), (killed, name)


def test_training_draws_nothing_from_the_callers_random_numbers(tmp_path: Path) -> None:
    module, run = start(tmp_path)
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    next(run.steps(load, objective_of(module)))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.usefixtures("float32")
def test_the_parts_of_a_batch_add_up_to_its_loss_and_gradient(tmp_path: Path) -> None:
    moved = []
    for shares in ((1.0,), (0.25, 0.75)):
        module, run = start(tmp_path, clip=1e9)

        def parts(batch: Any, module: Any = module, shares: Any = shares) -> Iterator[Any]:
            for share in shares:
                yield share * module[0](batch[0]).square().sum(), {"share": share}

        next(run.steps(load, parts))
        assert run.means["share"] == 1.0
        moved.append((run.means["loss"], module[0].weight.clone()))
    assert moved[0][0] == pytest.approx(moved[1][0])
    assert torch.allclose(moved[0][1], moved[1][1])


def test_the_rate_rises_and_then_falls(tmp_path: Path) -> None:
    module, run = start(tmp_path, steps=20, warmup=0.2, decay=0.5, rate=1.0)
    rates = []
    for _ in run.steps(load, objective_of(module)):
        rates.append(run.optimizers[0].param_groups[0]["lr"])
    assert rates[:4] == sorted(rates[:4])
    assert rates[0] < 0.01
    assert rates[5:10] == [1.003] * 5
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.2


def test_a_schedule_may_be_laid_out_by_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 3))  # every look at the clock is 3 s after the one before
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(now)))
    module, run = start(tmp_path, steps=1000, minutes=0.5)
    assert sum(1 for _ in run.steps(load, objective_of(module))) == 10
    assert run.progress == 1.0


def test_frozen_weights_are_neither_trained_nor_kept_in_the_checkpoint(tmp_path: Path) -> None:
    module = make_module()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()
    run = Run(module, Schedule(steps=3, rate=0.05), tmp_path / "checkpoint.pt")
    for _ in run.steps(load, objective_of(module)):
        pass
    run.save()
    assert torch.equal(module[0].weight, before)
    assert set(torch.load(tmp_path / "checkpoint.pt")["model"]) == {"2.weight", "2.bias"}
    other = make_module()
    other[0].requires_grad_(False)
    assert Run(other, Schedule(steps=3), tmp_path / "checkpoint.pt").step == 3
    assert torch.equal(other[2].weight, module[2].weight)


def test_a_checkpoint_of_the_first_planners_training_is_still_read(tmp_path: Path) -> None:
    module = make_module()
    optimizer = torch.optim.AdamW([{"params": [module[0].weight, module[2].weight]},
                                   {"params": [module[0].bias, module[2].bias]}])  # fmt: skip
    numbers = {"step": 7, "spent": 1.5, "seen": 84, "epoch": 1, "place": 3, "loss": 0.25, "exact": 0.5}
    torch.save({"model": module.state_dict(), "optimizers": [optimizer.state_dict()], **numbers}, tmp_path / "c.pt")
    run = Run(make_module(), Schedule(steps=11), tmp_path / "c.pt")
    assert (run.step, run.epoch, run.place, run.seen) == (7, 1, 3, 84)
    assert run.means == {"loss": 0.25, "exact": 0.5}


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 damaged"])
def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelError, match="cannot go on from") as caught:
        start(tmp_path)
    assert caught.value.hint == "remove it to start the training again"


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    _, run = start(tmp_path)
    run.save()
    with pytest.raises(ModelError, match="cannot go on from"):
        Run(torch.nn.Sequential(torch.nn.Linear(4, 9)), Schedule(), tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"it has other weights: 0\.bias"):
        Run(torch.nn.ModuleDict({"a": torch.nn.Linear(4, 8)}), Schedule(), tmp_path / "checkpoint.pt")


def test_a_checkpoint_holds_no_code_that_reading_it_would_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError):
        start(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = start(tmp_path)
    run.save()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop.torch, "save", full)
    with pytest.raises(EdgeSlmError, match="No space left on device"):
        run.save()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt"}
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_loss_that_is_no_number_ends_the_run_before_it_harms_the_weights(tmp_path: Path) -> None:
    module, run = start(tmp_path)
    before = module[0].weight.clone()

    def objective(batch: Any) -> Iterator[Any]:
        yield module(batch[0]).sum() * float("nan"), {}

    with pytest.raises(ModelError, match="training broke down at step 0"):
        next(run.steps(load, objective))
    assert torch.equal(module[0].weight, before)


def test_an_epoch_without_batches_is_refused(tmp_path: Path) -> None:
    module, run = start(tmp_path)
    with pytest.raises(InputError, match="there is nothing to train on"):
        next(run.steps(lambda epoch: [], objective_of(module)))


def test_the_log_says_how_it_went(tmp_path: Path) -> None:
    module, run = start(tmp_path, checkpoint_minutes=0)
    measures = loop.drive(
        run, load, objective_of(module), tmp_path, evaluate=lambda final: {"held_out_loss": 1.0 + final}
    )
    (line,) = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert line["settings"]["steps"] == 11
    assert measures["held_out_loss"] == line["held_out_loss"] == 2.0
    assert {"step", "minutes", "tokens", "epoch", "loss", "root"} <= set(line)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "train.jsonl"}


def test_evaluation_takes_a_tenth_of_the_time_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0

    def now() -> float:
        nonlocal clock
        clock += 5.0
        return clock

    def evaluate(final: bool) -> dict[str, float]:
        nonlocal clock
        clock += 0.0 if final else 200.0
        return {"held_out_loss": 1.0}

    monkeypatch.setattr(loop.time, "perf_counter", now)
    module, run = start(tmp_path, steps=400, checkpoint_minutes=1e9)
    loop.drive(run, load, objective_of(module), tmp_path, evaluate=evaluate)
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()][:-1]
    evaluated = sum("held_out_loss" in line for line in lines)
    assert len(lines) > 50  # a line a minute all the same
    assert 2 <= evaluated <= 0.1 * clock / 200 + 1


def test_a_schedule_names_every_offender() -> None:
    wrong = Schedule(steps=0, minutes=-1.0, rate=float("nan"), decay=0.0, clip=-1.0).offenders()
    assert [line.split()[0] for line in wrong] == ["steps", "minutes", "rate", "decay", "clip"]
    assert Schedule().offenders() == []
