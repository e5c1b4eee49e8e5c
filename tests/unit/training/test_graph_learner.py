"""The learner of GPUs as it runs without one, beside the one of CPUs; on a GPU with graphs too."""

from dataclasses import replace

import pytest
import torch
from factories import finish

from scalectl.nn.build import build
from scalectl.search.plan import Plan
from scalectl.training import checkpoint
from scalectl.training.graph_learner import GraphLearner, LearnerPool
from scalectl.training.learner import Images, Learner, start_as_identity
from scalectl.trial import Recipe

COUNT = 37
"""Images: one step of five is a smaller one."""


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(COUNT, generator=generator), torch.rand(COUNT, 3, generator=generator)


@pytest.fixture
def recipe(tiny: Plan) -> Recipe:
    return replace(tiny.trials[0].recipe, batch_size=8, epochs=4, label_smoothing=0.1)


@pytest.fixture
def images() -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (COUNT, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(COUNT) % 16)


def begin(tiny: Plan, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return start_as_identity(build(tiny.trials[0].candidate.architecture))


def place(images: Images, device: str) -> Images:
    return Images(images.pixels.to(device), images.labels.to(device))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_it_learns_what_the_other_learner_learns(
    ema: float, tiny: Plan, recipe: Recipe, images: Images
) -> None:
    """Up to rounding: sums run in another order."""
    recipe, held_out = replace(recipe, ema=ema), Images(images.pixels[:16], images.labels[:16])
    plain = Learner(begin(tiny), recipe, images, flip=True)
    graphs = GraphLearner(begin(tiny), recipe, images, held_out, flip=True)
    for epoch in range(3):
        order, draws = draw(epoch)
        expected = finish(plain.learn(order, draws))
        assert finish(graphs.learn(order, draws)) == pytest.approx(expected, rel=1e-3)
        assert plain.steps == graphs.steps == 5 * (epoch + 1)
        scores = finish(plain.evaluate(held_out))
        graph_scores = finish(graphs.evaluate(held_out))
        assert graph_scores.loss == pytest.approx(scores.loss, rel=0.05)
        assert graph_scores.top1 == pytest.approx(scores.top1, abs=0.2)
        assert graph_scores.balanced_top1 == pytest.approx(scores.balanced_top1, abs=0.2)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_it_goes_on_from_a_checkpoint_to_the_same_bits(
    ema: float, device: str, tiny: Plan, recipe: Recipe, images: Images
) -> None:
    recipe, images = replace(recipe, ema=ema), place(images, device)
    learners = [
        GraphLearner(begin(tiny, seed), recipe, images, images, flip=True) for seed in (0, 1)
    ]
    whole, other = learners
    finish(whole.learn(*draw(0)))
    saved = checkpoint.encode(whole.state())
    other.restore(checkpoint.decode(saved))
    assert other.steps == whole.steps
    for epoch in (1, 2):
        scores = []
        for learner in learners:
            loss = finish(learner.learn(*draw(epoch)))
            scores.append((loss, finish(learner.evaluate(images))))
        assert scores[0] == scores[1]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_its_graphs_serve_every_seed(
    device: str, tiny: Plan, recipe: Recipe, images: Images
) -> None:
    """To the bits of a learner of that seed's own."""
    images = place(images, device)
    used = GraphLearner(begin(tiny, 0), recipe, images, images, flip=True)
    finish(used.learn(*draw(0)))
    used.restart(begin(tiny, 1))
    fresh = GraphLearner(begin(tiny, 1), recipe, images, images, flip=True)
    assert finish(used.learn(*draw(1))) == finish(fresh.learn(*draw(1)))
    assert finish(used.evaluate(images)) == finish(fresh.evaluate(images))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("kind", [Learner, GraphLearner])
def test_images_without_room_on_the_device_teach_the_same(
    kind: type, device: str, tiny: Plan, recipe: Recipe, images: Images
) -> None:
    """To the bit, though they come batch by batch."""
    scores = []
    for streamed in (False, True):
        here = place(images, device)
        if streamed:
            here = replace(here, pixels=images.pixels, streamed=True)
        held_out = {"held_out": here} if kind is GraphLearner else {}
        learner = kind(begin(tiny), recipe, here, **held_out, flip=True)
        losses = [finish(learner.learn(*draw(epoch))) for epoch in range(2)]
        scores.append((losses, finish(learner.evaluate(here))))
    assert scores[0] == scores[1]


@pytest.mark.gpu
def test_a_compiled_network_repeats_its_bits(tiny: Plan, recipe: Recipe, images: Images) -> None:
    """And learns what the other one learns, up to rounding."""
    images = place(images, "cuda")
    losses = []
    for compiles in (True, True, False):
        learner = GraphLearner(begin(tiny), recipe, images, images, flip=True, compiles=compiles)
        losses.append([finish(learner.learn(*draw(epoch))) for epoch in range(2)])
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(losses[2], rel=0.05)


@pytest.mark.gpu
def test_trainings_side_by_side_have_the_bits_of_each_alone(
    tiny: Plan, recipe: Recipe, images: Images
) -> None:
    images = place(images, "cuda")
    alone = []
    for seed in range(4):
        learner = GraphLearner(begin(tiny, seed), recipe, images, images, flip=True)
        alone.append(finish(learner.learn(*draw(seed))))
    learners = [
        GraphLearner(begin(tiny, seed), recipe, images, images, flip=True) for seed in range(4)
    ]
    works = dict(enumerate(learner.learn(*draw(seed)) for seed, learner in enumerate(learners)))
    results: dict[int, float] = {}
    while works:
        for seed, work in list(works.items()):
            try:
                next(work)
            except StopIteration as result:
                results[seed] = result.value
                del works[seed]
    assert [results[seed] for seed in range(4)] == alone


def test_a_pool_keeps_what_was_given_last(tiny: Plan, recipe: Recipe, images: Images) -> None:
    pool = LearnerPool(most=2)
    learner = GraphLearner(begin(tiny), recipe, images, images, flip=True)
    for key in ("first", "second", "third"):
        pool.give(key, learner)
    assert pool.take("first") is None
    assert pool.take("third") is learner
    assert pool.take("third") is None
    assert pool.forget()
    assert pool.take("second") is None
    assert not pool.forget()
    assert pool.load("images", lambda: images) is pool.load("images", lambda: place(images, "cpu"))
