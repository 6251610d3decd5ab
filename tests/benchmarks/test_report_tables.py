"""Tables and words are made from the samples: the figures are known, and so must be what is said of them."""

import pytest
from report_runs import HOSTILE, ROWS, Maker, made_up

from benchmarks.analysis.rows import Row
from benchmarks.report.costs import columns, number, suites, unit_of
from benchmarks.report.markdown import BEGIN, END, escaped, markdown, table_markdown, write_into, written_into
from benchmarks.report.reading import comparisons, noise, targets, verdict
from benchmarks.report.tables import feature_table, program_table, row_table


@pytest.fixture(scope="module")
def run():
    return made_up()


@pytest.fixture(scope="module")
def shown(run):
    return markdown(run, ROWS)


def known(rounds=6, **ratios):
    """Return a run of one work, with figures without any spread."""
    make = Maker(rounds)
    work = make.work("pipeline.2", "Pipeline of 2 stages", "stage", 2)
    for name, us in ratios.items():
        make.timed(f"{work}.{name}", f"the {name}", work, us, spread=0, subject=name, features=("records",))
    return make.run()


class TestRows:
    ROW = Row("atrio / hand", "pipeline.2.atrio", "pipeline.2.hand", at_most=0.5)

    def test_a_row_has_its_figure_interval_target_and_verdict(self):
        table = row_table(known(atrio=4, hand=10), [self.ROW])
        assert table_markdown(table).splitlines() == [
            "| what | measured | 95 % interval | target | verdict |",
            "|---|---:|---:|---|---|",
            "| atrio / hand | 0.400 | 0.400 to 0.400 | <= 0.5 | met |",
        ]

    def test_a_target_inside_of_the_interval_is_uncertain(self):
        make = Maker(6)
        work = make.work("pipeline.2", "Pipeline of 2 stages", "stage", 2)
        make.timed(f"{work}.atrio", "ours", work, 5, spread=0.2)
        make.timed(f"{work}.hand", "theirs", work, 10, spread=0.2, subject="hand")
        run = make.run()
        (line,) = row_table(run, [self.ROW]).lines
        assert line.cells[-1].endswith(", uncertain")
        assert "uncertain, for the target lies inside of the interval: 1" in targets(run, [self.ROW]).said

    def test_a_row_without_a_side_says_which_and_why(self, shown):
        assert (
            "| Hamilton / atrio | not measured: pipeline.20.hamilton: not installed: no wheel for this | | >= 1 | |"
            in shown
        )

    def test_a_row_that_the_run_did_not_mean_to_measure_is_left_out(self, shown):
        assert "not in this run" not in shown

    def test_one_that_failed_in_a_later_round_has_no_figure(self, run):
        (line,) = row_table(run, [Row("broken", "batch.10000.broken", "batch.10000.atrio")]).lines
        assert line.note.startswith("not measured: batch.10000.broken: failed: ValueError")


class TestPrograms:
    def test_a_program_has_its_cost_per_unit(self):
        run = known(atrio=4, hand=10)
        table = program_table(run, suites(run)["pipeline"][0])
        assert table_markdown(table).splitlines() == [
            "| program | CPU, us a stage | wall, us a stage | spread | hears | features |",
            "|---|---:|---:|---:|---|---|",
            "| the atrio | 4.00 | 4.08 | 0% | quiet | records |",
            "| the hand | 10.0 | 10.2 | 0% | quiet | records |",
        ]

    def test_what_was_not_measured_has_a_line_with_the_reason(self, shown):
        assert "| Apache Hamilton, a node a stage | not installed: no wheel for this | | | quiet | none |" in shown
        assert "| pydantic-graph | unfair: it answered 'what goes in'" in shown

    def test_one_work_at_several_sizes_is_one_table(self, run):
        (stages, items, sinks) = suites(run)["scale"]
        assert (stages.sizes, stages.what) == ((1, 5, 20, 100, 1_000), "stages")
        assert stages.title == "Pipeline of 1 to 1,000 no-op stages"
        assert (items.sizes[-1], sinks.sizes) == (1_000_000, (0, 1, 2, 3, 4, 5))
        table = program_table(run, stages)
        assert table.headings[:3] == ("stages", "program", "CPU, us a stage")
        assert [line.cells[0] for line in table.lines[::3]] == ["1", "5", "20", "100", "1,000"]

    def test_what_a_size_counts_is_in_the_title_if_the_name_does_not_say_it(self, run):
        (latency,) = suites(run)["latency"]
        assert latency.title == "Pipeline of 5 stages, 100 to 5,000 runs at once"
        assert latency.what == "runs at once"

    def test_two_sizes_are_two_works(self):
        make = Maker(2)
        for size in (10, 100):
            work = make.work(f"batch.{size}", f"{size} items", "item", size)
            make.timed(f"{work}.atrio", "ours", work, 2)
            make.timed(f"{work}.hand", "by hand", work, 2)
        assert [group.sizes for group in suites(make.run())["batch"]] == [(), ()]

    def test_parts_with_a_program_each_are_one_table(self):
        make = Maker(2)
        for part in ("clock", "id", "line"):
            work = make.work(f"step.{part}", part, "step")
            make.timed(f"{work}.alone", f"the {part}", work, 0.1)
        run = make.run()
        (group,) = suites(run)["step"]
        assert len(program_table(run, group).lines) == 3

    def test_figures_that_are_no_times_keep_their_unit(self, run):
        kept = [(column.figure, column.unit) for column in columns(run, ["memory.kept"])]
        assert kept == [("kept_bytes", "bytes"), ("peak_bytes", "bytes")]
        assert [column.heading for column in columns(run, ["cancel.10000"])] == ["quiet, ms", "CPU, ms"]

    def test_percentiles_stand_together(self, run):
        assert [column.title for column in columns(run, ["latency.100"])][:4] == ["p50", "p95", "p99", "CPU"]

    def test_the_features_of_a_program_at_several_sizes_are_one_line(self, run):
        table = feature_table(run)
        ours = [
            line.cells for line in table.lines if line.cells[:2] == ("Cost against size", "atrio, nobody listening")
        ]
        assert ours == [("Cost against size", "atrio, nobody listening", "quiet", *["yes"] * 3, *["no"] * 3)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0712, "0.071"), (3.756, "3.76"), (9.996, "10.0"), (20.25, "20.2"), (180.4, "180"),
     (12345.6, "12,346"), (0.00012, "1.2e-04"), (-3.1, "-3.10")],
)  # fmt: skip
def test_three_digits_count(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("figure", "unit"),
    [("cpu_s", "s"), ("p99", "s"), ("p99_s", "s"), ("q02", "s"), ("peak_bytes", "bytes"), ("turns_per_s", "a second"),
     ("turns", "")],
)  # fmt: skip
def test_units_of_samples(figure, unit):
    assert unit_of({"figure": "p99_s", "clock": "s"}, figure) == unit


class TestReading:
    def test_what_is_cheaper_and_dearer_is_said(self):
        (found,) = comparisons(known(atrio=4, hand=2, twin=10, langgraph=40))
        assert found.atrio == "the atrio: 4.00 us a stage (CPU)"
        assert found.said == [
            "It costs less than 2 of 3: from the twin (2.50 times atrio's) to the langgraph (10.0 times atrio's).",
            "It costs more than 1 of 3: the hand (0.50 times atrio's).",
        ]
        assert verdict([found]) == (
            "In 1 comparison with 3 programs, atrio costs less than 2 of them and more than 1; "
            "0 cannot be told from it."
        )

    def test_what_another_does_not_do_is_said_with_it(self, run):
        quiet = next(each for each in comparisons(run) if each.title == "Pipeline of 20 no-op stages")
        assert "hand-written asyncio loop (0.56 times atrio's; without records, attempts, timeout)" in quiet.said[1]
        assert quiet.said[-1] == "Among the 3 that do all that it does here, none costs less; 1 cannot be told from it."

    def test_quiet_ones_are_not_compared_with_logging_ones(self, run):
        found = [each for each in comparisons(run) if each.title == "Pipeline of 20 no-op stages"]
        assert [(each.hears, len(each.others)) for each in found] == [("quiet", 9), ("json", 1)]

    def test_a_work_at_several_sizes_is_compared_where_others_did_it_too(self, run):
        assert "Batch of 100,000 no-op items" in [each.title for each in comparisons(run)]

    def test_without_atrio_there_is_nothing_to_say(self):
        assert comparisons(known(hand=2)) == []
        assert "nothing beside atrio" in verdict([])

    def test_targets_are_counted(self, run):
        found = targets(run, ROWS)
        assert (len(found.met), len(found.missed), len(found.unmeasured)) == (5, 3, 1)
        assert found.said.startswith("Of 8 targets that were measured, 5 were met and 3 missed")
        assert targets(run, []).said == "No row with a target was measured."
        assert found.missed_said[-1] == ("Batch: atrio's `map` / hand-written loop", "1.374", "<= 1.2")

    def test_few_rounds_are_a_warning(self):
        assert any("less than 95 % confidence" in warning for warning in noise(known(rounds=3, atrio=4), []))
        assert noise(known(atrio=4), []) == []


class TestMarkdown:
    def test_headings_are_as_deep_as_asked(self, run):
        lines = markdown(run, ROWS, 3).splitlines()
        assert "### Pipeline" in lines
        assert "#### Pipeline of 20 no-op stages" in lines

    def test_conditions_are_told(self, shown):
        for line in (
            "- command: `python -m benchmarks run`",
            "- rounds: 7, tier quick",
            "- load: 0.61 before and 0.93 after",
            "- packages: atrio 0.1.0, trio 0.35.0, attrs 26.1.0, structlog 26.1.0",
            "- kernel: 6.1.0",
            "| langgraph | CPython 3.11.7 | langgraph 1.0.3, langgraph-sdk 0.2 |",
        ):
            assert line in shown.splitlines()

    def test_noise_is_told(self, shown):
        assert "- **noisy machine**: half of the samples spread" in shown

    def test_hostile_words_are_no_markup(self, shown):
        assert "<script" not in shown
        assert r"\[a\](javascript:b)" in shown
        assert "[a](javascript" not in shown
        assert escaped("a | b `c|d` <e>") == r"a \| b `c\|d` &lt;e&gt;"
        assert escaped("an open ` and\na line") == r"an open \` and a line"
        assert HOSTILE.split()[0] not in shown

    def test_a_page_keeps_what_is_written_around_the_tables(self, run, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(f"# Before\n\n<!-- measured: begin (by an older one) -->\nold\n{END}\n\nafter\n")
        write_into(page, run, ROWS)
        once = page.read_text()
        assert once.startswith(f"# Before\n\n{BEGIN}\n\n### Conditions\n")
        assert once.endswith(f"|\n\n{END}\n\nafter\n")
        assert "\nold\n" not in once
        write_into(page, run, ROWS)
        assert page.read_text() == once

    def test_a_page_without_marks_is_the_tables(self, run, tmp_path):
        write_into(tmp_path / "new.md", run, ROWS)
        assert (tmp_path / "new.md").read_text().startswith("## Conditions")

    def test_a_mark_that_is_never_ended_is_an_error(self, run):
        with pytest.raises(ValueError, match="none that ends it"):
            written_into(f"{BEGIN}\nall the rest of the page", run, ROWS)
