"""Inner products and cosines."""

from __future__ import annotations

import pytest
import torch

from rec_lightning.heads.dot import DotHead
from tests.members import member, members


def test_by_hand() -> None:
    states, vectors = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    plain, cosine = DotHead(), DotHead(normalize=True, temperature=0.5)
    assert (plain.queries(states) @ plain.keys(vectors).T).tolist() == [[7, 8]]
    found = cosine.queries(states) @ cosine.keys(vectors).T
    assert torch.allclose(found, torch.tensor([[2 * 7 / 5 / 2**0.5, 2 * 0.8]]))


def test_a_zero_vector_has_cosine_zero() -> None:
    head = DotHead(normalize=True)
    assert head.keys(torch.zeros(1, 3)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("choice", members("head"))
def test_any_leading_shape_gives_the_same_queries(choice: str) -> None:
    head, states = member("head", choice), torch.randn(2, 3, 16)
    assert torch.allclose(head.queries(states)[1], head.queries(states[1]))
    assert head.keys(states[0]).shape == (3, 16)


def test_temperature_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^head.temperature must be positive, got 0. Set head.temperature.$"):
        DotHead(temperature=0)
