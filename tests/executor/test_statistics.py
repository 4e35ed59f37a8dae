"""Statistics of batch norms that are gathered over batches."""

from __future__ import annotations

import pytest
import torch

from service.executor.statistics import BatchStatistics, normalised_by_batch

FORMATS = (torch.float32, torch.bfloat16, torch.float64)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 5), (8, 3, 5, 4)])
def test_they_are_means_of_the_batches_means_and_variances(
    dtype: torch.dtype, weighted: bool, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [(3 * torch.randn(shape, generator=generator) + 50).to(dtype) for _ in range(3)]
    weight, bias = (torch.rand(3, generator=generator).to(dtype) for _ in range(2))
    statistics = BatchStatistics()
    for x in batches:
        own = (weight, bias) if weighted else (None, None)
        gathered = normalised_by_batch("n", x, *own, 1e-5, statistics)
        statistics.batches += 1
        tolerance = 0.05 if dtype is torch.bfloat16 else 1e-5
        expected = normalised_by_batch("n", x, *own, 1e-5, None)
        torch.testing.assert_close(gathered, expected, rtol=tolerance, atol=tolerance)
        assert gathered.dtype == dtype
    axes = [0, *range(2, len(shape))]
    mean, variance = statistics.of("n")
    exact = torch.float64
    expected_mean = torch.stack([x.to(exact).mean(axes) for x in batches]).mean(0)
    expected_variance = torch.stack([x.to(exact).var(axes) for x in batches]).mean(0)
    torch.testing.assert_close(mean.to(exact), expected_mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(variance.to(exact), expected_variance, rtol=1e-4, atol=1e-5)
