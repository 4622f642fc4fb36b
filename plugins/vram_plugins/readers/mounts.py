"""Files of ConfigMaps by their paths in a container: mounts, `subPath`, projected volumes, renamed keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vram_plugins.readers.documents import Block, Text


def mounted_of(container: Block, pod: Block, configs: Mapping[str, Block]) -> Callable[[str], Text | None]:
    """A file of a ConfigMap by its path in the container."""

    def mounted(path: str) -> Text | None:
        for mount in container.blocks("volumeMounts"):
            folder = mount.text("mountPath") or ""
            volume = next((v for v in pod.blocks("volumes") if v.text("name") == mount.text("name")), None)
            sources = [] if volume is None else [volume.block("configMap"), *_projected(volume)]
            for source in sources:
                config = configs.get(source.text("name") or "")
                content = _content(config, source, mount, folder, path) if config is not None else None
                if content is not None:
                    return content
        return None

    return mounted


def _projected(volume: Block) -> list[Block]:
    return [source.block("configMap") for source in volume.blocks("projected", "sources")]


def _content(config: Block, source: Block, mount: Block, folder: str, path: str) -> Text | None:
    """A key of a ConfigMap as a path of the mount has it, renamed by `items` where it is."""
    names = {item.text("path") or "": item.text("key") or "" for item in source.blocks("items")}
    below = mount.text("subPath")
    if below is not None:
        wanted = below if path == folder else None
    else:
        wanted = path.removeprefix(folder.rstrip("/") + "/") if path.startswith(folder) else None
    if wanted is None:
        return None
    found = config.at("data", names.get(wanted, wanted))
    return found if isinstance(found, Text) else None
