"""The pipeline that a batch ran in its tasks, drawn on its page."""

import pytest
from runs_made_up import batch, content, figures, run, stage_figures, task
from test_report_page import Read

from atrio.cli._page import page_of
from atrio.history import PipelineFigures


def page(*pipelines):
    tasks = figures(successful=1, longest_s=1.0, slowest=(task(0),))
    return Read(page_of(content(run(kind="batch", total=1), tasks=tasks, pipelines=pipelines)))


def nodes(read):
    return [
        each["class"].removeprefix("node ") for _, each in read.elements if each.get("class", "").startswith("node ")
    ]


def test_each_stage_says_how_it_did_in_all_tasks():
    read = Read(page_of(batch()))
    assert "#pipeline" in read.values("href")
    assert "How each stage of triage did in 1,000 runs." in read.text
    assert "clean ✓ 1,000 succeeded p50 42.0 ms, p95 50.0 ms" in read.text
    assert "classify agent guarded_model ✕ 9 failed ■ 3 cancelled ✓ 988 succeeded p50 300 ms, p95 910 ms" in read.text
    assert "enrich ↷ 200 skipped ✓ 788 succeeded p50 100 ms, p95 500 ms" in read.text
    # Nothing of it ended, so there are no times.
    assert "answer … 1 without an end 2 stages not begun in any" in read.text
    assert nodes(read)[:5] == ["success", "error", "skipped", "open", "absent"]


def test_what_its_tasks_asked_of_models_is_summed():
    text = Read(page_of(batch())).text
    assert "guarded_model small-instruct of local 1,000 9 5,120,000 64,000 13 min 33 s" in text


def test_it_says_of_how_many_tasks_it_is():
    stages = (stage_figures(0, "clean", begun=2500, successful=2500),)
    assert "did in 2,500 runs, those of one in 40 tasks." in page(PipelineFigures("triage", 1, 2500, 40, stages)).text
    assert "did in 1 run." in page(PipelineFigures("triage", 1, 1, 1, stages)).text


def test_plain_agents_have_no_pipeline():
    assert "#pipeline" not in page().values("href")


@pytest.mark.parametrize(("count", "title"), [(1, "The pipeline"), (25, "The pipelines")])
def test_several_are_drawn_each(count, title):
    stages = (stage_figures(0, "clean", successful=1),)
    read = page(*(PipelineFigures(f"triage-{at}", 1, 1, 1, stages) for at in range(count)))
    assert f"{title} How each stage of triage-0 did" in read.text
    assert read.text.count("How each stage of") == min(count, 20)
    assert ("5 more pipelines not drawn." in read.text) == (count > 20)


def test_of_very_many_stages_some_are_drawn():
    stages = tuple(stage_figures(at, f"s{at}", successful=1) for at in range(230))
    read = page(PipelineFigures("triage", 230, 1, 1, stages))
    assert "30 more stages not drawn." in read.text
    assert len(nodes(read)) == 200


def test_the_page_of_a_batch_as_it_is_made(atrio, tmp_path):
    (tmp_path / "a.jsonl").write_text('"Sun."\n7\n"Rain."\n')
    assert atrio("batch", "text-report", "a.jsonl", "--log-level", "error").code == 0
    assert atrio("report", "-o", "page.html").code == 0
    text = Read((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "How each stage of text-report did in 3 runs." in text
    assert "text_cleaner ✕ 1 failed ✓ 2 succeeded" in text
    assert "text_analyzer ✓ 2 succeeded" in text
