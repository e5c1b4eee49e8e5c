from collections.abc import Callable

import pytest
import torch
from torch import nn

from scalectl.nn.depthwise import hasten


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
@pytest.mark.parametrize(
    ("kernel", "padding", "size"),
    [
        (5, 2, (3, 3)),
        (5, 2, (6, 6)),
        (5, 2, (11, 7)),
        (5, 0, (9, 9)),
        (7, 3, (8, 8)),
        ((5, 7), (2, 3), (6, 5)),
        (5, 2, (1, 1)),
        (5, 2, (70, 70)),
    ],
)
def test_gradients_are_those_of_autograd(
    kernel: int | tuple[int, int],
    padding: int | tuple[int, int],
    size: tuple[int, int],
    stride: int | tuple[int, int],
    *,
    bias: bool,
    layout: torch.memory_format,
) -> None:
    """In double precision, where rounding hides no mistake."""
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, kernel, stride, padding, groups=6, bias=bias).double()
    images = torch.randn(4, 6, *size, dtype=torch.double).to(memory_format=layout)

    def differentiate() -> list[torch.Tensor]:
        leaf = images.clone().requires_grad_()
        outputs = layer(leaf)
        (outputs * torch.linspace(-1, 1, outputs.numel()).view_as(outputs)).sum().backward()
        gradients = [outputs.detach(), leaf.grad, *(part.grad for part in layer.parameters())]
        layer.zero_grad()
        return [gradient for gradient in gradients if gradient is not None]

    expected = differentiate()
    assert type(hasten(layer)) is not nn.Conv2d
    gradients = differentiate()
    assert len(gradients) == len(expected) == 3 + bias
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6),
        lambda: nn.Conv2d(6, 6, 5, padding=2),
        lambda: nn.Conv2d(6, 12, 5, padding=2, groups=6),
        lambda: nn.Conv2d(6, 6, 5, padding=4, dilation=2, groups=6),
        lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6, padding_mode="reflect"),
        lambda: nn.Conv2d(6, 6, 5, padding="same", groups=6),
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 5, padding=2, groups=6)),
    ],
)
def test_other_layers_are_left_alone(make: Callable[[], nn.Module]) -> None:
    """Whatever is not known to be slow."""
    layer = make()
    kind = type(layer)
    assert type(hasten(layer)) is kind


def test_weights_keep_their_names() -> None:
    """Checkpoints from before are continued, and the network is exported as it was."""
    network = nn.Sequential(nn.Conv2d(6, 6, 5, padding=2, groups=6), nn.BatchNorm2d(6))
    before = {name: value.data_ptr() for name, value in network.state_dict().items()}
    after = hasten(network).state_dict()
    assert {name: value.data_ptr() for name, value in after.items()} == before
