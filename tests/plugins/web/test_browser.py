"""The page in a real browser: pick, read, drag, apply, download, reload."""

import json
import os
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

CHROMIUM = os.environ.get("VRAM_CHROMIUM", "/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no browser at {CHROMIUM}")
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    playwright.expect.set_options(timeout=15_000)
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield running
        running.close()


@pytest.fixture
def page(browser, server):
    """A page that records what it asks for and what goes wrong in it."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    opened.set_default_timeout(15_000)
    opened.asked, opened.wrong = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    yield opened
    assert not opened.wrong
    assert all(url.startswith((server.url, "blob:")) for url in opened.asked)  # nothing leaves the machine
    opened.close()


def verdict(page):
    return page.locator("#result h1")


def is_(page, text):
    playwright.expect(verdict(page)).to_have_text(text)


def pick(page, server, model="Qwen/Qwen3-8B", gpu="RTX 4090"):
    page.goto(server.url)
    page.get_by_label("Model", exact=True).fill(model)
    page.get_by_label("Model", exact=True).press("Tab")
    page.get_by_label("GPU", exact=True).fill(gpu)
    page.get_by_label("GPU", exact=True).press("Enter")


def test_pick_drag_apply_download_and_reload(page, server, tmp_path):
    pick(page, server)
    is_(page, "does not start")  # 40,960 tokens, the model's own length, do not fit beside the weights

    slider = page.get_by_label("Context slider")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2, steps=8)
    is_(page, "starts and fits")
    for share in (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 1.0):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=3)
    is_(page, "does not start")
    page.mouse.up()

    page.get_by_role("button", name="Apply --max-model-len").click()
    is_(page, "starts and fits")
    length = page.locator("#max_model_len").input_value()

    with page.expect_download() as waiting:
        page.get_by_role("link", name="compose").click()
    target = tmp_path / "compose.yaml"
    waiting.value.save_as(target)
    assert length in target.read_text()
    assert "Qwen/Qwen3-8B" in target.read_text()

    shown = page.locator("#json").text_content()
    page.reload()
    is_(page, "starts and fits")
    assert page.locator("#max_model_len").input_value() == length
    assert page.get_by_label("GPU", exact=True).input_value() == "RTX 4090"
    assert page.locator("#json").text_content() == shown
    assert json.loads(shown)["deployment"]["max_model_len"] == int(length)


def test_a_link_reproduces_the_state_in_a_fresh_browser(page, server):
    page.goto(
        f"{server.url}?model=Qwen/Qwen3-8B&gpu=H100&concurrency=7&enforce_eager=1&quantization=fp8&ask=max-context"
    )

    is_(page, "starts and fits")
    assert page.locator("#enforce_eager").is_checked()
    assert page.locator("#more").get_attribute("open") is not None
    assert page.locator("#quantization").input_value() == "fp8"
    assert "The longest context with 7 at once is" in page.locator(".inverse").text_content()


def test_everything_is_reached_by_keyboard(page, server):
    page.goto(server.url)
    page.keyboard.type("Qwen/Qwen3-8B")  # the cursor is in the first field
    page.keyboard.press("Tab")
    page.keyboard.type("H100")
    page.keyboard.press("Tab")
    is_(page, "starts and fits")
    before = page.locator("#max_model_len").input_value()
    assert page.evaluate("document.activeElement.id") == "context-slider"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => document.getElementById('max_model_len').value !== before", arg=before)
    is_(page, "starts and fits")


def test_errors_stand_beside_their_field(page, server):
    pick(page, server, gpu="H10000")

    told = page.locator("#error-gpu")
    playwright.expect(told).to_contain_text("Unknown GPU 'H10000'")
    assert page.locator("#gpu").get_attribute("aria-describedby") == "error-gpu"
    page.locator("#gpu").fill("H100")
    page.locator("#gpu").press("Enter")
    is_(page, "starts and fits")
    assert page.locator(".error").count() == 0


def test_a_pasted_command_fills_the_form(page, server):
    page.goto(server.url)
    page.get_by_label("GPU", exact=True).fill("H100")
    page.get_by_text("Paste a command").click()
    page.locator("#command-text").fill("vllm serve Qwen/Qwen3-8B \\\n  -tp 2 --max-model-len 16384 --api-key sk-1")
    page.get_by_role("button", name="Read it").click()

    is_(page, "starts and fits")
    assert page.locator("#tensor_parallel_size").input_value() == "2"
    assert page.locator("#max_model_len").input_value() == "16384"
    assert "sk-1" not in page.url


def test_html_in_a_name_is_shown_as_text(page, server, tmp_path):
    name = "<img src=x onerror=document.title='taken'>"
    (tmp_path / name).mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 32000,
        "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
    }  # fmt: skip
    (tmp_path / name / "config.json").write_text(json.dumps(config))

    pick(page, server, model=str(tmp_path / name), gpu="H100")

    is_(page, "starts and fits")
    assert name in page.locator("#result header").text_content()
    assert page.locator("#result img").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(page, server, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=RTX+4090&max_model_len=8192")

    is_(page, "starts and fits")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#verdict").bounding_box()["y"] < 740  # the verdict is in sight without scrolling


def test_gpus_are_compared(page, server):
    pick(page, server)
    is_(page, "does not start")

    page.get_by_role("button", name="Compare GPUs").click()

    playwright.expect(page.locator("#comparison h1")).to_contain_text("least hardware")


def test_a_configuration_is_recommended(page, server):
    pick(page, server)
    is_(page, "does not start")

    page.get_by_role("button", name="Recommend").click()

    playwright.expect(page.locator("#comparison h1")).to_have_text("1 × RTX 4090")
