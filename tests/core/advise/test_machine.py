"""What is left of a datasheet."""

from __future__ import annotations

import pytest
from attrs import evolve

from vram.advise.efficiency import GENERATIONS, SHARED, efficiency_of, generation_of
from vram.advise.machine import machine_of
from vram.errors import InputError
from vram.gpus.find import find_gpu
from vram.models.profile import Gpu
from vram.plugin.manager import plugins


def gpu(name: str) -> Gpu:
    return find_gpu(name, plugins().profiles)


def test_bandwidth_is_a_share_of_the_datasheet() -> None:
    h100 = gpu("H100")
    assert machine_of(h100, ranks=1).bandwidth == h100.bandwidth * efficiency_of("hopper").bandwidth


def test_a_chip_without_8_bit_units_expands_such_weights() -> None:
    assert "fp8" not in machine_of(gpu("A100 80GB"), ranks=1).rates
    h100 = machine_of(gpu("H100"), ranks=1)
    assert h100.rate("fp8") > h100.rate("16") > h100.rate("packed")


def test_a_board_of_little_power_does_not_reach_its_rate() -> None:
    l4, l40s = machine_of(gpu("L4"), ranks=1), machine_of(gpu("L40S"), ranks=1)
    named = (gpu("L4").flops("bf16") or 0) / (gpu("L40S").flops("bf16") or 1)
    assert l4.rate("16") / l40s.rate("16") < named


def test_nvlink_is_faster_than_pcie_and_pcie_than_the_way_through_the_host() -> None:
    nvlink, pcie, host = (machine_of(gpu(n), ranks=2) for n in ("H100", "L40S", "RTX 4090"))
    assert nvlink.reduce_bandwidth > pcie.reduce_bandwidth > host.reduce_bandwidth


def test_more_gpus_share_the_host() -> None:
    two, four = (machine_of(gpu("RTX 3090"), ranks=n).reduce_bandwidth for n in (2, 4))
    assert two / 2 <= four < two


def test_eager_kernels_take_longer_to_launch() -> None:
    assert machine_of(gpu("H100"), ranks=1, eager=True).kernel_seconds > machine_of(gpu("H100"), ranks=1).kernel_seconds


@pytest.mark.parametrize("change", [{"bandwidth": 0.0}, {"dense_flops": ()}])
def test_a_gpu_of_unknown_speed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="bandwidth and rates"):
        machine_of(evolve(gpu("H100"), **change), ranks=1)


def test_an_unknown_generation_has_the_constants_of_all() -> None:
    shared = {factor.name: factor.value for factor in SHARED}
    assert efficiency_of("next year's").bandwidth == shared["bandwidth"]


def test_no_constant_lies_far_from_what_kernels_say() -> None:
    for factor in (*SHARED, *(each for own in GENERATIONS.values() for each in own)):
        assert 0.4 < factor.value / factor.kernels < 2.2


def test_cards_of_one_family_with_other_memory_have_other_constants() -> None:
    assert generation_of(gpu("A100 80GB")) == "ampere"
    assert generation_of(gpu("RTX 3090")) == "ampere_gddr"


def test_a_machine_has_its_own_factors() -> None:
    plain, slow = (machine_of(gpu("H100"), ranks=1, factors=f) for f in ((), (("bandwidth", 0.5), ("no such", 2.0))))
    assert slow.bandwidth == pytest.approx(plain.bandwidth / 2)
    assert slow.rates == plain.rates
