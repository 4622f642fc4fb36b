"""How fast the rows that fit answer, and what their tokens cost."""

from __future__ import annotations

from vram.advise import performance_of
from vram.ask import Question
from vram.components import compute
from vram.errors import VramError
from vram.models.comparison import Row
from vram.models.performance import Workload
from vram.models.record import evolve
from vram_plugins.compare.market import market
from vram_plugins.compare.order import READING
from vram_plugins.compare.prices import PriceList

_HOUR = 3600.0


def timed(row: Row, question: Question, load: Workload) -> Row:
    """The row with its speed; as it was where the GPU's speed is not known, or the model generates nothing."""
    if question.spec.runner == "pooling":
        return row
    try:
        found = performance_of(compute(question), load)
    except VramError:
        return row
    each = found.output_tokens_per_s_per_user.expected
    return evolve(
        row,
        output_tokens_per_s=round(found.output_tokens_per_s.expected, 1),
        output_tokens_per_s_per_user=round(each, 1),
        ttft_ms=round(found.ttft_ms.expected, 1),
        tpot_ms=round(found.tpot_ms.expected, 2),
        slow=found.tpot_ms.expected * READING > 1e3,
    )


def priced(row: Row, prices: PriceList, clouds: tuple[str, ...]) -> Row:
    """The row with what so many GPUs cost, the machine type they are rented as, and tokens for money."""
    price = prices.cheapest(row.gpu, row.gpus)
    offers = (market().offers(cloud, row.gpu, row.gpus) for cloud in clouds)
    instance = price.instance if price and price.instance else next(filter(None, offers), None)
    row = evolve(row, rare=row.gpu in market().rare, instance_type=instance if instance != row.gpu else None)
    if price is None:
        return row
    hour, replicas = price.of(row.gpus), row.replicas
    total = prices.of_servers(row.gpu, replicas, row.gpus) if replicas else None
    whole = hour if total is None else total
    tokens = (row.output_tokens_per_s or 0.0) * _HOUR * (row.replicas or 1)
    return evolve(
        row,
        price_per_hour=hour,
        total_price_per_hour=total,
        currency=prices.currency,
        tokens_per_price=round(tokens / whole, 1) if whole and tokens else None,
        price_per_million_tokens=round(whole / tokens * 1e6, 4) if tokens else None,
    )
