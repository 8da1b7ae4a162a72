"""Tensors are resampled to the bits of arrays, whichever way they go, and gradients pass."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock
from sensorium_data.errors import BadArgument
from sensorium_data.resample import Method, Resampler, resample
from sensorium_data.resampling.tensors import resampled
from tests.time.oracle import DTYPES, METHODS, Case, cases

torch = pytest.importorskip("torch", reason="torch is not installed")
EIGHT = TickClock.from_runs(Fraction(8), [(0, 40)])
TENSORS = [*DTYPES, "uint16", "uint32"]
FLOATS = ["float16", "float32", "float64"]


def both(case: Case, device: str, *, gradient: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return values and mask of an array, and of the same numbers as a tensor."""
    out, mask = case.result()
    tensor = torch.from_numpy(case.values.copy()).to(device)
    tensor.requires_grad_(gradient)
    got, known = resampled(tensor, case.resampler(), case.start_ns, case.n)
    assert got.device.type == known.device.type == device
    assert got.requires_grad == gradient or (gradient and not known.any())
    return out, mask, got.detach().cpu().numpy(), known.cpu().numpy()


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=TENSORS))
def test_tensors_have_the_bits_of_arrays(case: Case) -> None:
    out, mask, got, known = both(case, "cpu", gradient=False)
    assert got.dtype == out.dtype
    np.testing.assert_array_equal(got, out)
    np.testing.assert_array_equal(known, mask)


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=FLOATS))
def test_tensors_with_a_gradient_have_them_too(case: Case) -> None:
    out, mask, got, known = both(case, "cpu", gradient=True)
    assert got.dtype == out.dtype
    np.testing.assert_array_equal(got, out)
    np.testing.assert_array_equal(known, mask)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@settings(max_examples=100, deadline=None)
@given(cases(dtypes=TENSORS[:7]))
def test_tensors_on_a_device_have_them_too(case: Case) -> None:
    out, mask, got, known = both(case, "cuda", gradient=False)
    np.testing.assert_array_equal(got, out)
    np.testing.assert_array_equal(known, mask)


@settings(max_examples=100, deadline=None)
@given(cases(dtypes=["float32"]), st.booleans())
def test_brain_floats_are_rounded_once(case: Case, gradient: bool) -> None:
    values = torch.from_numpy(case.values.copy()).to(torch.bfloat16)
    full, mask = replace(case, values=values.float().numpy()).result()
    got, known = resampled(values.requires_grad_(gradient), case.resampler(), case.start_ns, case.n)
    assert got.dtype == torch.bfloat16
    np.testing.assert_array_equal(got.detach().float().numpy(), torch.from_numpy(full).bfloat16().float().numpy())
    np.testing.assert_array_equal(known.numpy(), mask)


def test_many_brain_floats() -> None:
    values = torch.arange(100.0).bfloat16()
    clock = TickClock.from_runs(Fraction(8), [(0, 100)])
    got, mask = resample(values, clock, 80)
    assert torch.equal(got[:991], (torch.arange(991) / 10).bfloat16())
    assert mask.tolist() == [True] * 991 + [False] * 9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("phases", [False, True])
def test_gradients_are_the_shares_of_the_samples(method: Method, phases: bool) -> None:
    offsets = np.array([0, 40_000_000]) if phases else None
    values = torch.randn(12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    clock = TimesClock(np.arange(12) * 100_000_000 + np.arange(12) ** 2)
    resampler = Resampler(clock, Fraction(7), method=method, offsets_ns=offsets)

    def known(values: object) -> object:
        out, mask = resampled(values, resampler, Fraction(50_000_000), 7)  # type: ignore[arg-type]  # gradcheck says object
        return out[mask]

    assert torch.autograd.gradcheck(known, (values,))


def test_no_gradient_where_there_is_no_value() -> None:
    values = torch.ones(3, requires_grad=True)
    out, mask = resample(values, TickClock.from_runs(Fraction(8), [(0, 3)]), 8, start_s=-0.125, n_samples=5)
    assert mask.tolist() == [False, True, True, True, False]
    out[mask].sum().backward()
    assert values.grad.tolist() == [1, 1, 1]


def test_gradients_are_left_out_where_nobody_asks() -> None:
    values = torch.ones(40, 3, requires_grad=True)
    with torch.no_grad():
        out, _ = resample(values, EIGHT, 30)
    assert not out.requires_grad


def test_tensors_that_do_not_fit_are_refused() -> None:
    for gradient in (False, True):
        values = torch.ones(40, 3, requires_grad=gradient)
        with pytest.raises(BadArgument, match="2 offsets for samples of shape"):
            resample(values, EIGHT, 30, offsets_s=[0.0, 0.1])
        with pytest.raises(BadArgument, match="for 40 samples"):
            resample(values[:39], EIGHT, 30)
    for dtype in (torch.complex64, torch.float8_e5m2):
        with pytest.raises(BadArgument) as caught:
            resample(torch.ones(40).to(dtype), EIGHT, 30)
        assert caught.value.code == "bad-dtype"


def test_a_clock_without_samples_gives_no_value() -> None:
    clock = TickClock.from_runs(Fraction(8), [])
    for gradient in (False, True):
        out, mask = resample(torch.ones(0, 3, requires_grad=gradient), clock, 30, n_samples=2)
        assert out.shape == (2, 3)
        assert out.isnan().all()
        assert mask.tolist() == [False, False]


def test_arrays_need_no_torch() -> None:
    code = (
        "import sys, numpy as np; from fractions import Fraction; from sensorium_data.clock import TickClock;"
        "from sensorium_data.resample import resample;"
        "resample(np.ones(3), TickClock.from_runs(Fraction(8), [(0, 3)]), 30);"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
