"""Muon: updates are orthogonal, of AdamW's size, for matrices that are no embeddings; and it learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeslm.errors import ModelError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: convert)")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra: convert)")
muon = pytest.importorskip("edgeslm_convert.recover.muon")
loop = pytest.importorskip("edgeslm_convert.recover.loop")


@pytest.mark.parametrize("shape", [(6, 6), (4, 12), (12, 4)])
def test_an_update_turns_and_stretches_little(shape: tuple[int, int]) -> None:
    torch.manual_seed(2)
    given = torch.randn(shape) @ torch.diag(torch.linspace(0.3, 3.0, shape[1]))
    found = muon.orthogonal(given)
    assert found.shape == given.shape
    values = torch.linalg.svdvals(found)
    assert 0.6 < values.min() <= values.max() < 1.3
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    nearest = left @ right
    assert torch.nn.functional.cosine_similarity(found.flatten(), nearest.flatten(), dim=0) > 0.97


def test_a_step_is_as_large_as_adams(tmp_path: Path) -> None:
    torch.manual_seed(3)
    for shape in ((8, 32), (32, 8), (16, 16)):
        matrix = torch.nn.Parameter(torch.zeros(shape))
        matrix.grad = torch.randn(shape)
        muon.Muon([matrix], lr=0.5).step()
        size = float(matrix.detach().square().mean().sqrt())
        # 0.2 of the rate times sqrt(max) of a matrix whose singular values are all near one
        assert 0.6 < size / (0.5 * 0.2) < 1.3, shape


def test_weights_decay_without_a_gradient_that_speaks_for_them() -> None:
    matrix = torch.nn.Parameter(torch.ones(3, 5))
    matrix.grad = torch.zeros(3, 5)
    muon.Muon([matrix], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(matrix, torch.full((3, 5), 0.95))


def test_only_matrices_are_taken_and_no_embedding_nor_its_head() -> None:
    embedding, inner, head = torch.nn.Embedding(7, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 7, bias=False)
    head.weight = embedding.weight
    module = torch.nn.ModuleList([embedding, inner, head])
    assert [id(one) for one in muon.matrices(module)] == [id(inner.weight)]
    inner.weight.requires_grad_(False)
    assert muon.matrices(module) == []
    with pytest.raises(ValueError, match="matrices only"):
        muon.Muon([inner.bias], lr=0.1)


def test_an_unknown_optimizer_is_an_offender() -> None:
    assert any("'sgd'" in one for one in loop.Schedule(optimizer="sgd").offenders())
    assert loop.Schedule(optimizer="muon").offenders() == []


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    module = torch.nn.Linear(4, 4)
    loop.Run(module, loop.Schedule(optimizer="muon"), tmp_path / "checkpoint.pt").save()
    with pytest.raises(ModelError, match="another optimizer"):
        loop.Run(module, loop.Schedule(), tmp_path / "checkpoint.pt")
