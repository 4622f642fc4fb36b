"""Other ways than the recommended: fewer GPUs for a change of the model, and what is nearest where nothing fits.

Every one was estimated and fits; one that does not is never named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.ask import longest_context
from vram.components import compute
from vram.gpus import all_gpus, profile_for
from vram.models.plan import Option
from vram.models.profile import Gpu, Hardware, OverheadProfile
from vram.models.record import evolve
from vram.plugin import plugins
from vram_plugins.plan.candidates import Shape
from vram_plugins.plan.recommend import served_model, trial_command
from vram_plugins.plan.search import choices, counts_up_to, fit_on
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt

_MOST_GPUS = 64
_SHORTEST = 256  # a context below it is no answer
_RENTED = ("data centre", "workstation", "consumer")


def with_fewer_gpus(setup: Setup, levels: Iterable[Level], found: Trial) -> Iterator[Option]:
    """Levels of more change than the recommended one that do with fewer GPUs."""
    fewest = found.choice.shape.gpus
    for level in levels:
        if fewest == 1:
            return
        counts = [count for count in counts_up_to(fewest, setup.pinned) if count < fewest]
        trial = next((t for n in counts if (t := fit_on(setup, level, n, found.choice.length))), None)
        if trial is not None:
            fewest = trial.choice.shape.gpus
            yield _option(setup, trial, f"{_count(fewest)} {described(level)}")


def with_odd_count(setup: Setup, fewest: int, found: Trial) -> Iterator[Option]:
    """Fewer GPUs than machines usually have, where those do it too."""
    if fewest < found.choice.shape.gpus:
        trial = fit_on(setup, found.choice.level, fewest, found.choice.length)
        if trial is not None:
            yield _option(setup, trial, f"{_count(fewest)} {described(found.choice.level)}")


def with_all_gpus(setup: Setup, most: int, found: Trial) -> Iterator[Option]:
    """All the GPUs at hand, for speed, where fewer are enough."""
    if most <= found.choice.shape.gpus:
        return
    trial = fit_on(setup, found.choice.level, most, found.choice.length)
    if trial is not None:
        yield _option(setup, trial, f"all {most} GPUs at hand, for more speed and users")


def nearest(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> tuple[Option, ...]:
    """What would fit instead: a shorter context, fewer users, more GPUs, another GPU; the model as it is before changed."""
    longest = setup.longest(levels[0])
    if length > longest:
        # nothing else helps against the model's own limit
        return tuple(_shorter(setup, levels, most, length)) or nearest(setup, levels, most, longest)
    if all(_lacks_kernels(setup, level, length) for level in levels):
        return tuple(_another_gpu(setup, levels, most, length))
    found = [
        *_unpinned(setup, levels, most, length),
        *_shorter(setup, levels, most, length),
        *_fewer_users(setup, levels, most, length),
        *_more_gpus(setup, levels, most, length),
        *_another_gpu(setup, levels, most, length),
    ]
    return tuple(found)


def described(level: Level) -> str:
    """How a level stores the model, as the end of a phrase."""
    variant, parts = level.variant, []
    if variant.published is not None:
        parts.append(f"with the {variant.published.quantization} checkpoint {variant.published.id}")
    elif not variant.own:
        parts.append(f"quantized to {variant.quantization} while loading")
    if level.kv_cache_dtype not in ("auto", "bfloat16", "float16"):
        parts.append(f"with an {level.kv_cache_dtype} KV cache")
    return " and ".join(parts) or "with the model as it is"


def best_trials(setup: Setup, level: Level, count: int, length: int) -> Iterator[Trial]:
    """Every shape of `count` GPUs that vLLM could be asked for, at the largest share of the GPU."""
    for choice in choices(setup, level, count, length, setup.utilizations[-1]):
        trial = attempt(setup, choice)
        if trial is not None:
            yield trial


def _lacks_kernels(setup: Setup, level: Level, length: int) -> bool:
    """Whether the GPU or the vLLM version cannot run the format at all, on however many."""
    alone = attempt(setup, Choice(level=level, shape=Shape(), length=length))
    return alone is not None and alone.cell.obstacle == "format"


def _unpinned(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    """As many GPUs divided otherwise than the user said."""
    free = {name: value for name, value in setup.given.items() if not name.endswith("parallel_size")}
    if free == setup.given:
        return
    other = evolve(setup, given=free)
    for level in levels:
        for count in counts_up_to(most, other.pinned):
            trial = fit_on(other, level, count, length)
            if trial is not None:
                yield _option(other, trial, f"other parallel sizes, {_count(count)} {described(level)}")
                return


def _shorter(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    if setup.given.get("max_model_len"):
        setup = evolve(setup, given={k: v for k, v in setup.given.items() if k != "max_model_len"})
    for level in levels:
        best: Trial | None = None
        for trial in best_trials(setup, level, most, length):
            longest = min(length - 1, longest_context(compute(trial.question)))
            if longest < max(_SHORTEST, best.choice.length + 1 if best else 0):
                continue
            shorter = attempt(setup, evolve(trial.choice, length=longest))
            best = shorter if shorter is not None and shorter.cell.fits else best
        if best is not None:
            yield _option(setup, best, f"a context of {best.choice.length:,} tokens {described(level)}")
            return


def _fewer_users(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    """The most users below those asked for, of the first level that serves any."""

    def serving(level: Level, users: int) -> tuple[Setup, Trial | None]:
        fewer = evolve(setup, job=evolve(setup.job, concurrency=users))
        return fewer, fit_on(fewer, level, most, length)

    for level in levels if setup.job.concurrency > 1 else ():
        best = serving(level, 1)
        if best[1] is None:
            continue
        low, high = 1, setup.job.concurrency
        while high - low > 1:
            middle = (low + high) // 2
            tried = serving(level, middle)
            low, high, best = (middle, high, tried) if tried[1] is not None else (low, middle, best)
        fewer, trial = best
        if trial is not None:
            yield _option(fewer, trial, f"{low:,} user{'s' if low > 1 else ''} at once {described(level)}")
        return


def _more_gpus(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    counts = [count for count in counts_up_to(_MOST_GPUS, setup.pinned) if count > most]
    for level in levels:
        for count in counts:
            trial = fit_on(setup, level, count, length)
            if trial is not None:
                yield _option(setup, trial, f"{_count(count)} {described(level)}")
                return


def _another_gpu(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    """The least GPU memory of another kind that does it: with no more GPUs than there are, else with any number."""
    profiles = plugins().profiles
    gpus = [
        gpu
        for gpu in all_gpus(profiles)
        if gpu.kind in _RENTED and not gpu.unified_memory and gpu.name != setup.hardware.gpu.name
    ]
    alone = attempt(setup, Choice(level=levels[0], shape=Shape(), length=length))
    weights = alone.cell.weights_bytes if alone else 0
    others = {gpu.compute_capability: evolve(setup, hardware=_whole(gpu, setup.hardware.profile)) for gpu in gpus}
    unable = {found for found, other in others.items() if _lacks_kernels(other, levels[0], length)}
    gpus = [gpu for gpu in gpus if gpu.compute_capability not in unable]
    for counts in (counts_up_to(most, setup.pinned), counts_up_to(_MOST_GPUS, setup.pinned)):
        pairs = [(gpu, count) for gpu in gpus for count in counts if gpu.memory_bytes * count > weights]
        for gpu, count in sorted(pairs, key=lambda pair: (pair[0].memory_bytes * pair[1], pair[1], pair[0].bandwidth)):
            other = evolve(setup, hardware=_whole(gpu, profile_for(gpu, profiles)))
            trial = fit_on(other, levels[0], count, length)
            if trial is not None:
                yield _option(other, trial, f"{_count(count)} of another kind: {gpu.name}")
                return


def _whole(gpu: Gpu, profile: OverheadProfile) -> Hardware:
    """Another GPU, with all of its memory."""
    return Hardware(gpu=gpu, profile=profile, memory_bytes=gpu.memory_bytes)


def _option(setup: Setup, trial: Trial, title: str) -> Option:
    return Option(
        title=title,
        gpu=setup.hardware.gpu.name,
        gpus=trial.choice.shape.gpus,
        model=served_model(trial),
        max_model_len=trial.choice.length,
        concurrency=setup.job.concurrency,
        command=trial_command(setup, trial),
    )


def _count(gpus: int) -> str:
    return f"{gpus} GPU{'s' if gpus > 1 else ''}"
