"""What axe-core finds on every tab, and the contrast of the pictures, which axe does not look into."""

import importlib.util
import os
from pathlib import Path

import pytest

SCHEMES = ("light", "dark")
STATES = {
    "an answer": "?model=Qwen/Qwen3-8B&gpu=H100&max_model_len=8192&concurrency=8",
    "a refusal": "?model=Qwen/Qwen3-32B&gpu=RTX+4090&gpus=2&max_model_len=32k",
    "which GPU": "?model=Qwen/Qwen3-8B&max_model_len=8192&view=gpus&prices=H100%3D2.5",
    "how to run it": "?model=Qwen/Qwen3-8B&gpu=H100&view=run",
    "check": "?view=check",
    "an error": "?model=Qwen/Qwen3-8B&gpu=RTX+4900",
    "a link that cannot be read": "?colour=blue",
}
#: every text of a picture with the colour behind it, and every shape with what lies around it
_PICTURES = """() => {
  const found = [];
  const ink = (style) => style.fill;
  for (const text of document.querySelectorAll("svg text")) {
    const style = getComputedStyle(text), box = text.getBoundingClientRect();
    if (!box.width) continue;
    text.scrollIntoView({ block: "center" });
    const at = text.getBoundingClientRect();
    let behind = style.stroke !== "none" && style.paintOrder.startsWith("stroke") ? style.stroke : null;
    for (const one of behind ? [] : document.elementsFromPoint(at.x + at.width / 2, at.y + at.height / 2)) {
      const fill = getComputedStyle(one).fill;
      if (one.tagName === "rect" && fill !== "rgba(0, 0, 0, 0)" && fill !== "none") { behind = fill; break; }
    }
    const page = getComputedStyle(document.body).backgroundColor;
    found.push({ what: "text " + text.textContent, ink: ink(style), behind: behind || page, least: 4.5, size: at.height });
  }
  const page = getComputedStyle(document.body).backgroundColor;
  const shapes = "svg.chart rect[class^=s-], svg .frontier, svg .budget, svg .asked-dot, svg .line, svg .limit";
  for (const one of document.querySelectorAll(shapes)) {
    const style = getComputedStyle(one), edge = style.stroke !== "none" ? style.stroke : null;
    const inked = one.tagName === "rect" ? [style.fill, edge] : [edge, style.fill];
    found.push({ what: one.getAttribute("class"), ink: inked, behind: page, least: 3 });
  }
  return found;
}"""


def axe():
    """Where axe-core is: VRAM_AXE, or a package that has it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    places = [
        os.environ.get("VRAM_AXE"),
        spec and Path(spec.origin).with_name("axe.min.js"),
        "node_modules/axe-core/axe.min.js",
    ]
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if found is None:
        pytest.skip("no axe-core: pip install axe-playwright-python, or VRAM_AXE")
    return found.read_text(encoding="utf-8")


def luminance(colour):
    parts = [float(one) / 255 for one in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """As WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def opened(page, server, state, scheme, width=1440):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(server.url + state)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_axe_finds_nothing(page, server, state, scheme):
    opened(page, server, state, scheme)
    if "check" in state:
        page.locator("#pasted").fill("vllm serve Qwen/Qwen3-8B --max-modle-len 16384")
        page.get_by_role("button", name="Check it").click()
        page.locator("#answer h2").first.wait_for()
    for fold in page.locator("details > summary").all():
        if fold.is_visible():
            fold.click()
    page.evaluate(axe())

    violations = page.evaluate("axe.run().then(found => found.violations)")

    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in violations] == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("state", ["an answer", "a refusal", "how to run it"])
def test_the_pictures_have_contrast_in_them(page, server, state, scheme):
    opened(page, server, STATES[state], scheme)

    seen = page.evaluate(_PICTURES)

    assert len(seen) > 4
    for one in seen:
        inks = one["ink"] if isinstance(one["ink"], list) else [one["ink"]]
        best = max(contrast(ink, one["behind"]) for ink in inks if ink and ink.startswith("rgb"))
        assert best >= one["least"], (one, best)


def test_the_pictures_are_legible_on_a_phone(page, server):
    opened(page, server, STATES["an answer"], "light", width=390)

    texts = [one for one in page.evaluate(_PICTURES) if one["what"].startswith("text ")]

    assert len(texts) > 10
    assert min(one["size"] for one in texts) >= 11
