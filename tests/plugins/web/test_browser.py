"""The page in a real browser: ask, read, drag, take a chip, go back, check what one has."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

LOG = """INFO 11-28 10:00:00 [__init__.py:216] Automatically detected platform cuda.
(APIServer pid=1) INFO 11-28 10:00:01 [api_server.py:1839] vLLM API server version 0.11.0
(APIServer pid=1) INFO 11-28 10:00:01 [utils.py:233] non-default args: {'model': 'Qwen/Qwen3-8B', 'max_model_len': 16384}
(EngineCore_DP0 pid=9) INFO 11-28 10:00:20 [gpu_model_runner.py:2653] Model loading took 15.2683 GiB and 3.1 seconds
(EngineCore_DP0 pid=9) INFO 11-28 10:00:40 [gpu_worker.py:298] Available KV cache memory: 4.37 GiB
(EngineCore_DP0 pid=9) INFO 11-28 10:00:41 [kv_cache_utils.py:1087] GPU KV cache size: 31,808 tokens
"""


def is_(page, text):
    expect(page.locator("#verdict")).to_have_text("✗✓!"[0 if "not start" in text else 1] + text)


def fits(page):
    is_(page, "starts and fits")


def refused(page):
    is_(page, "does not start")


def state_of(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def pick(page, server, **fields):
    page.goto(server.url)
    fits(page)
    for name, text in fields.items():
        page.locator(f"#{name}").fill(text)
    page.keyboard.press("Tab")


def test_the_first_paint_has_an_answer_without_a_script(browser, server):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.url)

        fits(page)
        assert page.locator("#model").input_value() == "Qwen/Qwen3-8B"


def test_three_inputs_and_a_chip_answer_for_a_32b_on_two_4090s(page, server):
    """Model, number and context are typed; the GPU is the one that is there."""
    pick(page, server, model="Qwen3-32B", gpus="2", max_model_len="32k")
    refused(page)
    expect(page.locator("#said-max_model_len")).to_have_text("= 32,000; 32K is 32,768")

    chip = page.get_by_role("link", name="Qwen3-32B-AWQ")
    assert "fits" in chip.text_content()
    chip.click()

    fits(page)
    assert "2 × RTX 4090" in page.locator(".about").first.text_content()
    assert state_of(page)["model"] == "Qwen/Qwen3-32B-AWQ"
    assert page.title().startswith("Qwen3-32B-AWQ on 2 × RTX 4090: starts and fits")

    page.go_back()  # undoes the chip

    refused(page)
    assert page.locator("#model").input_value() == "Qwen3-32B"


def test_the_cheapest_gpu_is_one_click_from_its_answer(page, server):
    pick(page, server, model="meta-llama/Llama-3.3-70B-Instruct", max_model_len="8192", concurrency="20")
    page.get_by_role("link", name="Which GPU").click()
    page.locator("#prices").fill("H100 80GB SXM = $2.50\nL40S\t$0.90\nA100 80GB SXM, 1.40/h")
    page.locator("#prices").blur()

    rows = page.locator("#gpu-table tbody tr")
    expect(page.locator("#answer h2")).to_contain_text("20 users of 8,192 tokens")
    expect(rows.first).to_contain_text("4 × A100 80GB SXM")
    expect(rows.first).to_contain_text("5.60")
    expect(page.locator("#answer")).to_contain_text("Cheapest: 4 × A100 80GB SXM, 5.60 USD per hour.")

    page.get_by_role("link", name="tokens/s", exact=True).click()  # sorted by speed, and said so
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("tokens/s")
    assert state_of(page)["sort"] == "-speed"
    assert page.evaluate("document.activeElement.id") == "sort-speed"
    page.go_back()
    expect(rows.first).to_contain_text("4 × A100 80GB SXM")

    page.locator("#filter").fill("L40S")
    expect(rows).to_have_count(1)
    rows.first.locator("td").first.click()  # anywhere in the row

    fits(page)
    expect(page.locator(".about").first).to_contain_text("8 × L40S")
    assert page.evaluate("document.activeElement.id") == "verdict"


def test_a_misspelt_flag_is_named_and_the_rest_is_answered(page, server):
    page.goto(f"{server.url}?view=check")
    page.locator("#pasted").fill("vllm serve Qwen/Qwen3-8B \\\n  -tp 2 --max-modle-len 16384 --api-key sk-1")
    page.get_by_role("button", name="Check it").click()

    told = page.locator("#answer")
    expect(told).to_contain_text("unrecognized arguments: --max-modle-len (did you mean --max-model-len?)")
    expect(told.locator("h2").first).to_have_text("✗does not start: vLLM stops at it")
    expect(told).to_contain_text("Answered with what may be meant:")
    expect(told).to_contain_text("Qwen/Qwen3-8B on 2 × RTX 4090, 1 × 16,384 tokens")
    assert "sk-1" not in told.text_content()
    page.get_by_role("link", name="Open it as a question").click()
    fits(page)
    assert page.locator("#gpus").input_value() == "2"
    assert "sk-1" not in page.url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Does the 32B fit on my cards? I use vLLM.", "Nothing in it runs vLLM"),
        ("ollama run llama3", "runs Ollama, not vLLM"),
        ("vlm serve Qwen/Qwen3-8B", "a command of 'vlm', not of vLLM; `vllm serve` may be meant"),
        ("I ran vllm serve with the 32B and it crashed", "reads as a sentence, not as a command"),
        ("", "Paste a command"),
    ],
)
def test_what_is_no_vllm_is_named_and_never_taken_for_a_model(page, server, text, sentence):
    page.goto(f"{server.url}?view=check")
    page.locator("#pasted").fill(text)
    page.get_by_role("button", name="Check it").click()

    expect(page.locator("#field-pasted .error")).to_contain_text(sentence)
    assert page.locator("#answer").text_content() == ""
    assert page.evaluate("document.activeElement.id") == "pasted"


def test_a_pasted_log_is_reconciled(page, server):
    page.goto(f"{server.url}?view=check")
    page.locator("#pasted").fill(LOG)
    page.get_by_role("button", name="Check it").click()

    expect(page.locator("#answer")).to_contain_text("Read as a start-up log")
    expect(page.locator("#answer table")).to_contain_text("15.27 GiB")
    expect(page.locator("#answer table")).to_contain_text("within")


def test_a_link_with_an_unknown_key_is_an_error_that_names_it(page, server):
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=H100&max_modle_len=8192")

    expect(page.locator("#verdict")).to_have_text("This link cannot be read")
    expect(page.get_by_role("alert")).to_contain_text("'max_modle_len'. It may mean max_model_len")


def test_a_link_with_the_command_line_s_names_is_the_same_question(page, server):
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=H100&tp=2&max-model-len=32K&block_size=32")

    fits(page)
    expect(page.locator(".about").first).to_contain_text("2 × H100")
    assert page.locator("#gpus").input_value() == "2"
    assert page.locator("#flags").input_value() == "--block-size=32"
    expect(page.locator("#differs")).to_contain_text("--block-size=32")


def test_a_link_reproduces_the_state_in_a_fresh_browser(page, server):
    page.goto(
        f"{server.url}?model=Qwen/Qwen3-8B&gpu=H100&concurrency=7&enforce_eager=1&quantization=fp8&ask=max-context"
    )

    fits(page)
    assert page.locator("#enforce_eager").is_checked()
    assert page.locator("#quantization").input_value() == "fp8"
    expect(page.locator(".inverse")).to_contain_text("The longest context with 7 at once is")


def test_errors_wait_until_the_field_is_left_and_take_the_verdict_with_them(page, server):
    page.goto(server.url)
    fits(page)
    page.locator("#gpu").fill("RTX 4900")
    page.locator("#max_model_len").press_sequentially("x")
    page.wait_for_timeout(300)
    assert page.locator("#field-max_model_len .error").count() == 0  # still typing in it

    page.locator("#max_model_len").fill("16,384")
    page.locator("#gpu").focus()
    page.locator("#gpu").press("Enter")

    told = page.locator("#field-gpu .error")
    expect(told).to_contain_text("No GPU here is called 'RTX 4900'. Did you mean RTX 4090")
    assert "--" not in told.text_content()
    assert page.locator("#verdict").count() == 0
    assert page.locator("#gpu").get_attribute("aria-invalid") == "true"
    told.get_by_role("link", name="RTX 4090", exact=True).click()
    fits(page)
    assert page.locator(".error").count() == 0


def test_a_number_is_answered_while_it_is_typed_and_left_as_it_was_typed(page, server):
    page.goto(server.url)
    fits(page)
    field = page.locator("#max_model_len")
    field.fill("")
    field.press_sequentially("8192")

    expect(page.locator(".about").first).to_contain_text("1 × 8,192 tokens")
    assert field.input_value() == "8192"
    field.press("Tab")
    expect(field).to_have_value("8,192")
    page.go_back()
    expect(field).to_have_value("16,384")


def test_a_refusal_shows_nothing_about_nothing(page, server):
    page.goto(f"{server.url}?model=Qwen/Qwen3-32B&gpu=RTX+4090&gpus=2")
    refused(page)
    expect(page.locator("#details #command")).to_be_visible()

    text = page.locator("main").inner_text()
    assert "0 tokens per request" not in text
    assert "\n0 requests" not in text
    assert page.locator(".pictures").count() == 0
    compose = page.get_by_role("link", name="compose")
    assert "does not start" in compose.text_content()
    with page.expect_download() as waiting:
        compose.click()
    assert "DOES NOT START" in waiting.value.path().read_text()


def test_a_slider_is_one_step_of_back(page, server):
    page.goto(server.url)
    fits(page)
    slider = page.get_by_label("Context", exact=True)
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.8, 0.85, 0.9, 0.93, 0.96, 1.0):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    refused(page)
    assert page.locator("#max_model_len").input_value() == "40,960"

    page.go_back()

    fits(page)
    assert page.locator("#max_model_len").input_value() == "16,384"


def test_a_click_on_the_map_asks_that_cell(page, server):
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=H100&max_model_len=8192")
    fits(page)
    page.locator(".map .cell[data-context='16384'][data-users='8']").click()

    expect(page.locator(".about").first).to_contain_text("8 × 16,384 tokens")
    assert page.locator("#concurrency").input_value() == "8"


def test_the_stepper_counts_as_vllm_divides(page, server):
    page.goto(server.url)
    page.get_by_role("button", name="More GPUs").click()
    expect(page.locator(".about").first).to_contain_text("2 × RTX 4090")
    assert page.evaluate("document.activeElement.id") == "more-gpus"
    page.get_by_role("button", name="More GPUs").click()
    expect(page.locator(".about").first).to_contain_text("4 × RTX 4090")
    page.get_by_role("button", name="Fewer GPUs").click()
    expect(page.locator(".about").first).to_contain_text("2 × RTX 4090")


def test_everything_is_reached_by_keyboard(page, server):
    page.goto(server.url)
    fits(page)
    expect(page.locator("#details #command")).to_be_visible()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    wanted = ["tab-gpus", "model", "fewer", "gpus", "more-gpus", "gpu", "max_model_len", "concurrency", "context-slider",
              "users-slider", "chip-0", "copy-command", "file", "add-0"]  # fmt: skip
    assert [name for name in wanted if name not in reached] == []
    assert [name for name in dict.fromkeys(reached) if name in wanted] == wanted

    page.locator("#chip-0").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'verdict'")
    page.locator("#context-slider").focus()
    before = page.locator("#max_model_len").input_value()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => document.getElementById('max_model_len').value !== before", arg=before)
    assert page.evaluate("document.activeElement.id") == "context-slider"


def test_html_in_a_name_is_shown_as_text(page, server, tmp_path):
    name = "<img src=x onerror=document.title='taken'>"
    (tmp_path / name).mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 32000,
        "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
    }  # fmt: skip
    (tmp_path / name / "config.json").write_text(json.dumps(config))

    pick(page, server, model=str(tmp_path / name), max_model_len="1024")

    expect(page.locator(".about").first).to_contain_text(name)
    assert page.locator("main img").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["", "gpus", "run", "check"])
def test_a_phone_shows_everything_without_scrolling_sideways(page, server, view, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=RTX+4090&max_model_len=8192&view={view}")

    if view != "check":
        expect(page.locator("#answer h2, #answer h1").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if not view:
        assert page.locator("#verdict").bounding_box()["y"] < 740  # the verdict is in sight without scrolling


def test_a_configuration_is_recommended_for_a_workload(page, server):
    page.goto(f"{server.url}?model=Qwen/Qwen3-8B&gpu=RTX+4090&view=run&prompt_tokens=2,000&gen_tokens=500")

    expect(page.locator("#answer h1")).to_have_text("1 × RTX 4090")
    expect(page.locator("#answer")).to_contain_text("vllm serve Qwen/Qwen3-8B")
