from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from conftest import Make, pixels
from torch import Tensor, nn

from scalectl.capture import Find, Graph
from scalectl.devices import repeat_bits
from scalectl.executors import Workspace
from scalectl.learner import Learner
from scalectl.search import Plan
from scalectl.training import run
from scalectl.trial import Record, State

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Stream:
    """In the place of CUDA's."""

    def wait_stream(self, other: "Stream") -> None:
        assert isinstance(other, Stream)


class Recording:
    """In the place of a CUDA graph: a replay computes anew, into the memory that was recorded."""

    graph: Graph
    find: Find

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        losses = self.find(self.graph._images, self.graph._labels)
        fresh = [losses, *(one.grad for one in self.graph._parameters)]
        for old, new in zip([self.graph._losses, *self.graph._gradients], fresh, strict=True):
            assert old is not None
            assert new is not None
            old.copy_(new)


def test_whether_replayed_or_not_gradients_are_those_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a warm-up steps are replayed, but for batches of another size, before and between."""
    for name, stand_in in {
        "Stream": Stream,
        "CUDAGraph": Recording,
        "current_stream": Stream,
        "stream": nullcontext,
        "graph": lambda graph, stream: nullcontext((graph, stream)),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    layer = nn.Linear(4, 3)

    def find(images: Tensor, labels: Tensor) -> Tensor:
        layer.zero_grad()
        loss = nn.functional.cross_entropy(layer(images), labels)
        loss.backward()
        return loss.detach()[None]

    graph = Graph(list(layer.parameters()))
    recording = graph._graph
    assert isinstance(recording, Recording)
    recording.graph, recording.find = graph, find
    replays = []
    for step, size in enumerate([5, 5, 2, 5, 5, 5, 2, 2, 5, 5]):
        generator = torch.Generator().manual_seed(step)
        images = torch.rand(size, 4, generator=generator)
        labels = torch.randint(0, 3, (size,), generator=generator)
        losses = graph.run(find, images, labels)
        replays.append(recording.replays)
        found = [losses, *(one.grad.clone() for one in layer.parameters() if one.grad is not None)]
        expected = [find(images, labels), *(one.grad for one in layer.parameters())]
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)
    assert replays == [0, 0, 0, 0, 1, 2, 2, 2, 3, 4]


@needs_gpu
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_a_graph_learns_what_its_steps_would(seeds: tuple[int, ...], make: Make) -> None:
    """To the bit, and with batches of another size between."""

    def train(learner: Learner) -> tuple[list[Tensor], list[dict[str, object]]]:
        losses = []
        for step in range(12):
            size = 9 if step % 5 == 4 else 16
            batches = torch.stack([pixels(step + 100 * seed)[:size] for seed in seeds]).cuda()
            labels = torch.arange(size, device="cuda").expand(len(seeds), -1)
            losses.append(learner.learn(batches, labels))
        return losses, learner.states()

    repeat_bits(torch.device("cuda"))
    with_graph = make(0.9, *seeds, device="cuda")
    assert with_graph._graph
    losses, states = train(with_graph)
    without = make(0.9, *seeds, device="cuda")
    without._graph = None
    expected, expected_states = train(without)
    torch.testing.assert_close(losses, expected, rtol=0, atol=0)
    for state, other in zip(states, expected_states, strict=True):
        for part in ("network", "average"):
            torch.testing.assert_close(dict(state[part]), dict(other[part]), rtol=0, atol=0)


@needs_gpu
def test_trials_are_trained_on_a_gpu(tiny: Plan, workspace: Workspace) -> None:
    """In bfloat16; together as alone."""
    group = [replace(tiny.trials[0], seed=seed) for seed in range(2)]
    apart = replace(workspace, device="cuda", checkpoints=workspace.checkpoints / "apart")
    for record in run(group, replace(workspace, device="cuda")):
        if not isinstance(record, Record):
            continue
        assert record.state is State.DONE, record.error
        assert record.environment["device"] == "cuda"
        *_, alone = run([record.trial], apart)
        assert isinstance(alone, Record)
        assert record.curve == pytest.approx(alone.curve, rel=0.05)
