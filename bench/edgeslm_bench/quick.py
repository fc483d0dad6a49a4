"""A short version of a matrix: enough to see a loss, too little to report. Refuses to leave a technique out."""

from __future__ import annotations

from dataclasses import replace

from edgeslm_bench.matrix import Group, Matrix

_TOKENS, _BASE_TOKENS, _ROUNDS, _QUESTIONS = 96, 24, 4, 8


def quickened(matrix: Matrix) -> Matrix:
    """The same groups and techniques with fewer tokens, rounds and questions."""
    return Matrix(tuple(_quick(group) for group in matrix.groups), matrix.path)


def _quick(group: Group) -> Group:
    new = min(group.new_tokens, _TOKENS)
    return replace(
        group,
        new_tokens=new,
        base_new_tokens=min(group.base_new_tokens, new, _BASE_TOKENS if group.shape else _TOKENS),
        rounds=min(group.rounds, _ROUNDS),
        questions=min(group.questions, _QUESTIONS),
    )
