"""Reports load nothing from elsewhere, show hostile names as text, and plots say the same as the estimate."""

import re
from html.parser import HTMLParser

import pytest
from attrs import evolve
from click.testing import CliRunner

from vram.advise.curves import plots_of
from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.cli import cli
from vram.report.document import Document, Headline, Table
from vram.report.estimate_blocks import estimate_document
from vram.report.html import document_html
from vram.report.markdown import document_markdown
from vram.report.markup import Markup, tag
from vram.report.segments import bars_of
from vram.report.text_plots import plots_text
from vram.units import GIB

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module", autouse=True)
def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def question():
    return ask("Qwen/Qwen3-8B", gpu="RTX 4090", max_model_len=16384, concurrency=3)


class Elements(HTMLParser):
    """Names and attributes of every element."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))


def test_text_is_escaped_and_markup_is_not():
    assert tag("b", "<i>", Markup("<u></u>"), title='"') == '<b title="&quot;">&lt;i&gt;<u></u></b>'


def test_characters_no_browser_may_get_are_replaced():
    assert tag("b", "a\0\x1bb\ud800") == "<b>a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b?</b>"


def test_a_hostile_model_name_is_text_in_the_html_report(question):
    estimate = answer(evolve(question, checkpoint=evolve(question.checkpoint, id=HOSTILE)))

    text = document_html(estimate_document(estimate, plots_of(question), command=f"vllm serve '{HOSTILE}'"))

    names = {name for name, _ in Elements(text).found}
    assert not names & {"script", "img", "iframe", "object", "link"}
    assert "&lt;script&gt;" in text


def test_the_html_report_refers_to_nothing_elsewhere(question):
    text = document_html(estimate_document(answer(question), plots_of(question)))

    for _, attributes in Elements(text).found:
        assert not {"src", "href", "srcset", "style"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
    policies = [one.get("content", "") for name, one in Elements(text).found if name == "meta"]
    assert any("default-src 'none'" in policy for policy in policies)


def test_hostile_text_is_no_markup_in_markdown():
    text = "[x](javascript:1) @someone <b>\n# no | `code` https://example.org"
    table = Table(header=("a",), rows=((text,),))

    written = document_markdown(Document(title="", blocks=(Headline(text="t", detail=text), table)))

    assert "<b>" not in written.replace("\\<b\\>", "")
    assert "[x](" not in written.replace("\\[x\\](", "")
    assert "@someone" not in written.replace("\\@someone", "")
    assert "https://" not in written
    assert "\n# no" not in written


def test_the_bar_adds_up_to_the_parts_of_the_estimate(question):
    estimate = answer(evolve(question, deployment=evolve(question.deployment, concurrency=1)))
    memory = estimate.memory

    (bar,) = bars_of(estimate)

    fixed = memory.weights.expected + memory.activation_peak.expected + memory.cuda_graphs.expected
    assert bar.total == fixed + memory.non_torch.expected + memory.kv_cache_available.expected


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("Qwen/Qwen3-8B", {"gpu": "RTX 4090", "max_model_len": 16384, "concurrency": 3}),
        ("meta-llama/Llama-3.3-70B-Instruct", {"gpu": "H100", "tensor_parallel_size": 4, "concurrency": 16}),
        ("google/gemma-3-27b-it", {"gpu": "H200", "concurrency": 40}),
        ("deepseek-ai/DeepSeek-V3", {"gpu": "H200", "tensor_parallel_size": 8, "kv_cache_dtype": "fp8"}),
    ],
)
def test_curves_pass_through_the_estimate_and_end_where_its_limits_are(model, arguments):
    question = ask(model, **arguments)
    estimate = answer(question)

    plots = plots_of(question)

    for curve, asked in (
        (plots.by_context, estimate.deployment.max_model_len),
        (plots.by_users, estimate.deployment.concurrency),
    ):
        point = next(point for point in curve.points if point.x == asked)
        # headroom = budget - everything needed, by definition
        assert curve.budget_bytes - point.total_bytes == estimate.memory.headroom.expected
        assert point.weights_bytes == estimate.memory.weights.expected
    assert plots.by_context.limit == estimate.limits.max_context_at_concurrency
    assert plots.by_users.limit == estimate.limits.max_concurrency_at_context
    for point in plots.by_users.points:
        assert (point.total_bytes <= plots.by_users.usable_bytes) == (point.x <= plots.by_users.limit)


def test_the_field_is_what_single_questions_answer(question):
    field = plots_of(question).field

    for column in field.columns[::6]:
        single = answer(ask("Qwen/Qwen3-8B", gpu="RTX 4090", max_model_len=column.context, concurrency=field.users[3]))
        assert column.headroom_bytes[3] == single.memory.headroom.expected
        assert column.most_users == single.limits.max_concurrency_at_context


def test_text_plots_mark_the_budget_and_what_was_asked(question):
    text = plots_text(answer(question), plots_of(question))

    assert text.isprintable() or "\n" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    for mark in ("|", "^", "@", "#"):
        assert mark in text


def test_a_model_without_a_kv_cache_has_plots_too():
    question = ask("BAAI/bge-m3", gpu="L4", concurrency=4)

    plots = plots_of(question)

    assert plots.field is None
    assert document_html(estimate_document(answer(question), plots))


def test_commands_write_html_and_markdown(tmp_path):
    runner = CliRunner()
    log = tmp_path / "vllm.log"
    log.write_text("INFO 01-01 00:00:00 [gpu_model_runner.py:1] Model loading took 15.27 GiB and 1.0 seconds\n")
    commands = {
        "estimate": ["Qwen/Qwen3-8B", "--gpu", "H100", "-c", "8192"],
        "plan": ["Qwen/Qwen3-8B", "--gpu", "RTX 4090"],
        "compare": ["Qwen/Qwen3-8B", "--gpu", "H100,L4", "-c", "8192"],
        "reconcile": [str(log), "--model", "Qwen/Qwen3-8B", "--gpu", "H100"],
    }
    for name, words in commands.items():
        path = tmp_path / f"{name}.html"

        result = runner.invoke(cli, [name, *words, "--html", str(path), "--markdown"])

        assert result.exit_code == 0, result.output
        assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert "\n## " in "\n" + result.output


def test_the_breakdown_bar_shows_gib_of_the_largest_part(question):
    text = document_html(estimate_document(answer(question)))

    weights = answer(question).memory.weights.expected / GIB
    assert f"weights {weights:.2f} GiB" in text
