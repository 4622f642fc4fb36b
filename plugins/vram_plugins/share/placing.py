"""Which model goes onto which GPUs: a search, the largest first, that asks the real question before it believes itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vram.models.profile import Hardware
from vram.models.record import frozen
from vram_plugins.share.tenant import Place, Tenant

_MOST_CHAINS = 64
_MOST_STEPS = 20_000

#: of each tenant, the GPUs it is on
Placement = dict[int, tuple[int, ...]]


@frozen(kw_only=True, eq=False)
class Placed:
    """A tenant that starts: where, with what held before it, and how."""

    tenant: int
    devices: tuple[int, ...]
    used_bytes: int
    place: Place


class Room:
    """The GPUs, and what each tenant needs of each kind of them."""

    def __init__(self, tenants: Sequence[Tenant], gpus: Sequence[Hardware]) -> None:
        self.tenants, self.gpus = tenants, gpus
        self._alone: dict[tuple[int, str, int], Place | None] = {}

    def before(self, device: int) -> int:
        """What others hold of a GPU."""
        return self.gpus[device].used_bytes or 0

    def alone(self, tenant: int, device: int) -> Place | None:
        """A tenant on that GPU, with nothing there but what others hold."""
        gpu = self.gpus[device]
        key = (tenant, gpu.gpu.name, self.before(device))
        if key not in self._alone:
            self._alone[key] = self.tenants[tenant].least(gpu, self.before(device))
        return self._alone[key]

    def needs(self, tenant: int) -> int:
        """The least that a tenant takes of a GPU, on any of them; 0 where it fits on none."""
        places = [self.alone(tenant, device) for device in range(len(self.gpus))]
        return min((place.holds_bytes for place in places if place), default=0)

    def placements(self) -> Iterator[Placement]:
        """Placements in which the least needs fit beside each other."""
        order = sorted(range(len(self.tenants)), key=lambda one: (-self.tenants[one].ranks, -self.needs(one)))
        held = [self.before(device) for device in range(len(self.gpus))]
        steps = [_MOST_STEPS]
        yield from self._further(order, held, {}, steps)

    def _further(self, rest: list[int], held: list[int], so_far: Placement, steps: list[int]) -> Iterator[Placement]:
        if not rest:
            yield dict(so_far)
            return
        tenant, *others = rest
        for devices in self._candidates(tenant, held):
            steps[0] -= 1
            if steps[0] < 0:
                return
            place = self.alone(tenant, devices[0])
            assert place is not None
            for device in devices:
                held[device] += place.holds_bytes
            so_far[tenant] = devices
            yield from self._further(others, held, so_far, steps)
            del so_far[tenant]
            for device in devices:
                held[device] -= place.holds_bytes

    def _candidates(self, tenant: int, held: Sequence[int]) -> list[tuple[int, ...]]:
        """GPUs of one kind with room, the emptiest first; of equal ones one is as good as another."""
        ranks = self.tenants[tenant].ranks
        found: dict[tuple[object, ...], tuple[int, ...]] = {}
        for kind in dict.fromkeys(gpu.gpu.name for gpu in self.gpus):
            with_room = []
            for device, gpu in enumerate(self.gpus):
                place = self.alone(tenant, device) if gpu.gpu.name == kind else None
                if place is not None and held[device] + place.holds_bytes <= gpu.memory_bytes:
                    with_room.append(device)
            with_room.sort(key=lambda device: (held[device], device))
            for first in range(len(with_room) - ranks + 1):
                devices = tuple(sorted(with_room[first : first + ranks]))
                found.setdefault((kind, *(held[device] for device in devices)), devices)
        return sorted(found.values(), key=lambda them: max(held[one] / self.gpus[one].memory_bytes for one in them))

    def chain(self, placement: Placement, shares: dict[int, float] | None = None) -> list[Placed] | None:
        """All starts in their order, each asked with what those before hold; None where one does not surely start.

        First whose vLLM counts what others hold, then what takes most while it loads, then the largest. `shares` are given ones.
        """
        held = [self.before(device) for device in range(len(self.gpus))]
        found: list[Placed] = []
        for tenant in sorted(placement, key=lambda one: self._turn(one, placement[one][0])):
            devices = placement[tenant]
            gpu, used = self.gpus[devices[0]], max(held[device] for device in devices)
            one = self.tenants[tenant]
            place = one.placed(gpu, used, shares[tenant]) if shares else one.least(gpu, used)
            if place is None:
                return None
            found.append(Placed(tenant=tenant, devices=devices, used_bytes=used, place=place))
            for device in devices:
                held[device] += place.holds_bytes
        return found

    def _turn(self, tenant: int, device: int) -> tuple[object, ...]:
        place = self.alone(tenant, device)
        surplus, holds = (place.surplus_bytes, place.holds_bytes) if place else (0, 0)
        return (not self.tenants[tenant].goes_first, -surplus, -holds, tenant)


def first_chain(room: Room) -> list[Placed] | None:
    """The starts of the first placement that holds when it is asked; None where none does."""
    for number, placement in enumerate(room.placements()):
        if number >= _MOST_CHAINS:
            return None
        found = room.chain(placement)
        if found is not None:
            return found
    return None


def filled(room: Room, starts: list[Placed]) -> list[Placed]:
    """The same with what is left of each GPU given to the models on it, as their KV caches need; as they were where that fails."""
    placement = {one.tenant: one.devices for one in starts}
    held = [room.before(device) for device in range(len(room.gpus))]
    for one in starts:
        for device in one.devices:
            held[device] += one.place.holds_bytes
    wishes = {one.tenant: max(1, one.place.parts.required(one.place.parts.plan.max_model_len, 1)) for one in starts}
    for part in (1.0, 0.9, 0.75, 0.5):
        shares = {}
        for one in starts:
            spare = []
            for device in one.devices:
                there = sum(wishes[other.tenant] for other in starts if device in other.devices)
                left = (room.gpus[device].memory_bytes - held[device]) * part
                spare.append(left * wishes[one.tenant] / there / room.gpus[device].memory_bytes)
            grown = one.place.share if room.tenants[one.tenant].given else one.place.share + min(spare)
            shares[one.tenant] = int(grown * 100) / 100 if grown > one.place.share else one.place.share
        found = room.chain(placement, shares)
        if found is not None:
            return found
    return starts
