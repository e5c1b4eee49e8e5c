import pickle
import random
from pathlib import Path

import pytest
import torch
from factories import Make, finish, flip, pixels, train_some
from torch import nn

from scalectl.training import checkpoint
from scalectl.training.learner import Images, Learner, Scores


def equal(first: object, second: object) -> bool:
    """To the last bit, and in the same order in memory."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second) and first.stride() == second.stride()
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            equal(first[key], second[key]) for key in first
        )
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def test_a_state_comes_back_as_it_was(make: Make) -> None:
    """Network, average, optimizer and schedule; numbers as keys, channels last in memory."""
    learner = make(0.5)
    train_some(learner, 0, 3)
    state = learner.state()
    assert state.keys() == {"network", "average", "optimizer", "schedule"}
    assert state["optimizer"]["state"].keys() >= {0, 1}
    back = checkpoint.decode(checkpoint.encode(state))
    assert equal(back, state)
    strides = [value.stride() for value in back["network"].values() if value.ndim == 4]
    assert any(stride[1] == 1 for stride in strides)


def test_a_restored_learner_goes_on_to_the_same_bits(make: Make) -> None:
    """Losses, scores and weights, as if it had never stopped."""
    whole, first, second = make(0.5), make(0.5), make(0.5)
    losses = train_some(whole, 0, 6)
    train_some(first, 0, 3)
    second.restore(checkpoint.decode(checkpoint.encode(first.state())))
    assert train_some(second, 3, 6) == losses[3:]
    assert equal(second.state(), whole.state())
    assert score(second) == score(whole)


def score(learner: Learner) -> Scores:
    return finish(learner.evaluate(Images(pixels(9), torch.arange(16))))


def test_what_is_left_out_of_a_checkpoint_matters(make: Make) -> None:
    """Each of its parts: without one, the bits are others."""
    whole = make(0.5)
    losses = train_some(whole, 0, 6)
    scores = score(whole)
    for part in ("network", "average", "optimizer", "schedule"):
        first, second = make(0.5), make(0.5)
        train_some(first, 0, 3)
        second.restore({**first.state(), part: second.state()[part]})
        again = train_some(second, 3, 6)
        assert (again, score(second)) != (losses[3:], scores)


def test_no_flipped_byte_is_believed(make: Make) -> None:
    """Three hundred of them, and cuts."""
    content, dice = checkpoint.encode(make(0.5).state()), random.Random(0)
    for position in [0, len(content) - 1, *dice.sample(range(len(content)), 300)]:
        with pytest.raises(ValueError, match="does not match"):
            checkpoint.decode(flip(content, position, dice.randrange(8)))
        with pytest.raises(ValueError, match="does not match"):
            checkpoint.decode(content[:position])


def test_weights_that_are_one_stay_equal() -> None:
    """Tied weights share their memory, which the format has no word for."""
    shared = nn.Parameter(torch.arange(6.0).reshape(2, 3))
    back = checkpoint.decode(checkpoint.encode({"one": shared, "other": shared}))
    assert torch.equal(back["one"], shared)
    assert torch.equal(back["other"], shared)


def test_nothing_is_run_that_was_only_to_be_read(tmp_path: Path) -> None:
    """A pickle, sealed or not, is refused before anything of it happens."""
    from scalectl.store.checksum import add_checksum

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "canary"), "w"))

    for evil in (pickle.dumps(Evil()), pickle.dumps({"network": Evil()})):
        for content in (evil, add_checksum(evil, "")):
            with pytest.raises(ValueError, match=r"does not match|is no checkpoint"):
                checkpoint.decode(content)
    torch.save(Evil(), tmp_path / "evil")
    with pytest.raises(ValueError, match="is no checkpoint"):
        checkpoint.decode(add_checksum((tmp_path / "evil").read_bytes(), ""))
    assert not (tmp_path / "canary").exists()
