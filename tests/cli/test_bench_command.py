import json
import re
import subprocess
import sys

import pytest
import trio

import atrio as atrio_package
from atrio import Backoff, ErrorPolicy
from atrio.cli._render import to_three_digits

ONCE = {"attempts": 1}


async def quick(data):
    return data


async def slow(data):
    await trio.sleep(0.002)
    return data


async def odd(data):
    if data % 2:
        raise ValueError("it is odd [red]")
    return data


async def broken(data):
    raise ValueError("it broke")


def events_of(err: str) -> list[dict]:
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


def said_in(err: str) -> list[str]:
    return [line.removeprefix("atrio: ") for line in err.splitlines() if line.startswith("atrio: ")]


def rows_of(out: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in cells}


@pytest.fixture
def bench(atrio, ready_made, tmp_path, monkeypatch):
    """Run `atrio bench` on three inputs, with pipelines that are quick, slow, broken, or fail on some inputs."""
    monkeypatch.setenv("COLUMNS", "80")
    for name, agent in {"quick": quick, "slow": slow, "odd": odd, "broken": broken}.items():
        ready_made(name, agent, **ONCE)
    ready_made("skips", broken, error_policy=ErrorPolicy.SKIP, **ONCE)

    def run(*arguments: str, lines: str = "2\n4\n5\n"):
        (tmp_path / "a.jsonl").write_text(lines)
        return atrio("bench", *arguments, "--input", "a.jsonl")

    return run


class TestTable:
    def test_has_the_figures_of_each(self, bench):
        ended = bench("quick", "odd", "--rounds", "4")
        assert ended.code == 0
        rows = rows_of(ended.out)
        assert (rows["runs"], rows["success"], rows["failed"]) == (["12", "12"], ["12", "8"], ["0", "4"])
        assert all(cell.endswith(" /s") for cell in rows["throughput"])
        for name in ("mean", "shortest", "p50 (median)", "p90", "p95", "p99", "longest", "CPU time"):
            assert all(cell.endswith("s") for cell in rows[name]), name
        assert rows["retries"] == ["0", "0"]
        assert "in backoff" not in rows
        assert "error" not in ended.out.partition("errors that ended")[0]
        assert ended.out.startswith("degraded: 24 runs in ")
        assert said_in(ended.err) == ["odd failed in 4 of 12 runs (4 failed)."]

    def test_has_the_first_error_of_each_kind(self, bench):
        ended = bench("odd", "broken", "--rounds", "2")
        assert ended.code == 1
        _, _, errors = ended.out.partition("errors that ended stages")
        rows = rows_of(errors)
        assert rows["odd"] == ["2", "a.jsonl:3, round 0", "stage_0: ValueError: it is odd [red]"]
        assert re.fullmatch(r"a\.jsonl:[123], round 0", rows["broken"].pop(1))
        assert rows["broken"] == ["6", "stage_0: ValueError: it broke"]
        assert "broken and odd cannot be compared" in ended.out

    def test_has_what_retries_cost(self, atrio, ready_made, bench):
        calls = iter(range(1000))

        async def flaky(data):
            if next(calls) % 2 == 0:
                raise OSError
            return data

        ready_made("flaky", flaky, backoff=Backoff(initial=0.05))
        rows = rows_of(bench("quick", "flaky", "--rounds", "2").out)
        assert rows["retries"] == ["0", "6"]
        assert rows["in backoff"] == ["0 s", "300 ms"]
        assert rows["of all time"][0] == "0.0%"
        assert float(rows["of all time"][1][:-1]) > 50

    def test_compares_all_with_the_first(self, bench):
        out = bench("quick", "slow", "quick", "--rounds", "8").out
        assert "slow against quick #1" in out
        assert "quick #2 against quick #1" in out
        joined = " ".join(out.split())
        assert re.search(r"slow is slower than quick #1: its mean is [\d.,]+ times that of quick #1 \(", joined)
        assert "Measured over 8 rounds; it is faster on 0 of 3 inputs." in joined
        assert joined.count("Measured over 8 rounds") == 2

    def test_of_one_has_no_differences(self, bench):
        ended = bench("quick", "--rounds", "2")
        assert ended.code == 0
        assert "against" not in ended.out

    def test_says_how_it_was_measured(self, bench):
        out = " ".join(bench("quick", "--rounds", "2", "--warmup", "0", "--seed", "7").out.split())
        assert "3 inputs, 2 rounds, one run at a time, seed 7." in out
        assert f"atrio {atrio_package.__version__}, trio {trio.__version__}, " in out
        out = " ".join(bench("quick", "--rounds", "1", "--max-concurrent", "3", "--log-level", "error").out.split())
        assert "3 inputs, 1 round after 1 to warm up, 3 runs at once, with logging, seed " in out
        assert "CPU time" not in out

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_fits(self, bench, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = bench("quick", "slow", "odd", "skips", "quick", "broken", "--rounds", "6").out
        assert max(map(len, out.splitlines())) <= columns
        tables = out.count("│ runs ")
        assert tables == {40: 6, 80: 2, 200: 1}[columns]
        # No figure is folded; broken ones have none.
        cells = [line.split("│")[2:-1] for line in out.splitlines() if line.startswith("│ p90")]
        assert all(re.fullmatch(r" +([\d.,]+ [mun]?s )?", cell) for row in cells for cell in row)

    def test_has_no_bars_where_they_cannot_be_shown(self, atrio_process, tmp_path):
        (tmp_path / "a.txt").write_text("Tides rise.")
        arguments = ("bench", "text-report", "--input", "a.txt", "--rounds", "2")
        assert "logarithmic" in atrio_process(*arguments).out
        ended = atrio_process(*arguments, PYTHONIOENCODING="ascii")
        assert ended.code == 0
        assert ended.out.isascii()
        assert "logarithmic" not in ended.out


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0, "0 s"),
        (2.5e-8, "25.0 ns"),
        (8.34e-5, "83.4 us"),
        (-0.0012, "-1.20 ms"),
        (0.0009996, "1.00 ms"),
        (0.1234, "123 ms"),
        (75, "75.0 s"),
        (12345, "12,345 s"),
    ],
)
def test_three_digits(duration_s, text):
    assert to_three_digits(duration_s) == text


class TestJson:
    def test_has_every_run(self, bench):
        ended = bench("quick", "odd", "--rounds", "6", "--seed", "3", "--format", "json")
        assert ended.code == 0
        found = json.loads(ended.out)
        assert (found["status"], found["interrupted"], found["inputs"]) == (
            "degraded",
            False,
            ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"],
        )
        assert (found["planned_runs"], found["measured_runs"], len(found["samples"])) == (36, 36, 36)
        assert found["options"] == {
            "rounds": 6, "warmup": 1, "max_concurrent": 1, "timeout_s": 300.0, "seed": 3, "logged": False,
        }  # fmt: skip
        assert set(found["machine"]) == {"python", "atrio", "trio", "system", "cpu_count"}
        failed = next(each for each in found["samples"] if each["status"] == "failed")
        assert failed["duration_s"] > 0
        assert failed["cpu_s"] >= 0
        assert {key: value for key, value in failed.items() if not key.endswith("_s")} == {
            "pipeline": "odd",
            "input": "a.jsonl:3",
            "round": 0,
            "status": "failed",
            "attempts": 1,
            "retries": {"retries": 0, "failed_s": 0.0, "backoff_s": 0.0},
            "errors": [{"stage_id": "stage_0", "error_type": "ValueError", "message": "it is odd [red]"}],
        }
        quick_one, odd_one = found["pipelines"]
        assert (quick_one["label"], quick_one["name"], quick_one["figures"]["status"]) == ("quick", "quick", "success")
        assert odd_one["figures"]["statuses"] == {"success": 12, "failed": 6}
        (comparison,) = found["comparisons"]
        assert (comparison["pairs"], comparison["left_out"], comparison["clusters"]) == (12, 12, "rounds")
        assert comparison["verdict"] in {"faster", "slower", "no_difference"}
        assert set(comparison["differences"]) == {"mean", "mean_ratio", "median", "median_ratio"}

    def test_of_a_thing_twice_labels_it_apart(self, bench):
        found = json.loads(bench("quick", "quick", "--rounds", "6", "--format", "json").out)
        assert [(each["label"], each["name"]) for each in found["pipelines"]] == [
            ("quick #1", "quick"),
            ("quick #2", "quick"),
        ]
        assert {each["pipeline"] for each in found["samples"]} == {"quick #1", "quick #2"}

    def test_the_same_seed_gives_the_same_order(self, bench):
        def order(seed: str):
            found = json.loads(bench("quick", "slow", "--rounds", "3", "--seed", seed, "--format", "json").out)
            return [(each["pipeline"], each["input"]) for each in found["samples"]]

        assert order("1") == order("1") != order("2")


class TestExitCodes:
    @pytest.mark.parametrize(
        ("names", "plain", "strict"),
        [(["quick", "slow"], 0, 0), (["quick", "odd"], 0, 1), (["skips"], 0, 1), (["quick", "broken"], 1, 1)],
    )
    def test_are_those_of_the_worst(self, bench, names, plain, strict):
        assert bench(*names, "--rounds", "1").code == plain
        assert bench(*names, "--rounds", "1", "--fail-on", "degraded").code == strict

    def test_half_is_not_enough(self, bench):
        assert bench("odd", "--rounds", "1", lines="1\n2\n").code == 1

    def test_of_stages_that_were_skipped(self, bench):
        assert said_in(bench("skips", "--rounds", "2").err) == ["skips skipped stages in 6 of 6 runs."]

    def test_of_time_that_is_up(self, bench):
        ended = bench("slow", "--rounds", "100000", "--timeout", "2")
        assert ended.code == 1
        assert ended.out.startswith("timeout: ")
        assert re.fullmatch(
            r"time was up after [\d.]+ m?s: \d+ of 300,000 runs were measured\. Give it more with --timeout, or ask "
            r"for fewer --rounds\.",
            *said_in(ended.err),
        )

    def test_of_time_that_was_up_before_anything(self, bench):
        ended = bench("slow", "slow", "--timeout", "0.0000001")
        assert ended.code == 1
        assert ended.out.startswith("3 inputs, 20 rounds after 1 to warm up")
        assert "0 of 120 runs were measured" in ended.err


class TestRefusals:
    @pytest.mark.parametrize("option", ["--rounds", "--max-concurrent"])
    @pytest.mark.parametrize("value", ["0", "-1", "2.5", "many", ""])
    def test_of_what_is_no_number(self, bench, option, value):
        ended = bench("quick", option, value)
        assert (ended.code, ended.out) == (2, "")
        assert said_in(ended.err) == [f"{option} must be a whole number, 1 at least: not {value!r}."]

    @pytest.mark.parametrize("option", ["--warmup", "--seed"])
    def test_of_what_is_below_0(self, bench, option):
        assert said_in(bench("quick", option, "-1").err) == [f"{option} must be a whole number, 0 at least: not '-1'."]
        assert bench("quick", option, "0", "--rounds", "1").code == 0

    def test_of_no_time(self, bench):
        assert said_in(bench("quick", "--timeout", "0").err) == ["--timeout must be seconds above 0, or none: not '0'."]
        assert bench("quick", "--timeout", "none", "--rounds", "1").code == 0

    def test_of_no_pipeline(self, bench):
        assert said_in(bench().err) == ["there is no pipeline: name one, or several to compare."]
        assert said_in(bench("quikc").err)[0].startswith("there is no pipeline 'quikc'. Did you mean 'quick'?")

    def test_of_no_input(self, bench, atrio):
        assert said_in(atrio("bench", "quick").err) == [
            "there is no input: name files with --input, or - for standard input, a task of JSON a line."
        ]
        assert said_in(bench("quick", lines="\n").err) == [
            "there is no task in the input: it is empty, or every line of it is blank."
        ]
        assert said_in(atrio("bench", "quick", "--input", "none.txt").err) == [
            "'none.txt' cannot be read: No such file or directory."
        ]

    def test_of_an_option_where_an_input_should_be(self, bench, atrio):
        bench("quick", "--rounds", "1")
        assert said_in(atrio("bench", "quick", "--input", "--rounds").err) == [
            "--input '--rounds' cannot be read: No such file or directory."
        ]
        assert said_in(bench("quick", "--ruonds", "3").err) == [
            "Unknown option: --ruonds. Did you mean --rounds? See atrio bench --help."
        ]

    def test_of_an_input_that_cannot_be_used(self, bench):
        ended = bench("quick", lines="1\noops\n")
        assert (ended.code, ended.out) == (2, "")
        assert said_in(ended.err) == ["'a.jsonl' is not JSON: Expecting value, line 2, column 1."]


class TestInputs:
    def test_are_of_every_kind(self, bench, atrio, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        (tmp_path / "b.json").write_text('{"a": [1]}')
        (tmp_path / "c.jsonl").write_text("1\n\n2\n")
        arguments = [part for name in ("a.txt", "b.json", "c.jsonl", "a.txt") for part in ("--input", name)]
        bench("quick", "--rounds", "1")
        found = json.loads(atrio("bench", "quick", *arguments, "--rounds", "1", "--format", "json").out)
        assert found["inputs"] == ["a.txt #1", "b.json", "c.jsonl:1", "c.jsonl:3", "a.txt #2"]

    def test_may_come_from_stdin(self, atrio_process):
        ended = atrio_process(
            *("bench", "text-report", "--input", "-", "--rounds", "1", "--format", "json"), stdin=b'"a"\n"b"\n'
        )
        assert ended.code == 0
        assert json.loads(ended.out)["inputs"] == ["-:1", "-:2"]


class TestLog:
    def test_is_off(self, bench):
        assert bench("quick", "--rounds", "1").err == ""
        assert bench("quick", "--rounds", "1", "--log-format", "json").err == ""

    def test_is_on_where_that_is_asked_for(self, bench):
        events = events_of(bench("quick", "--rounds", "1", "--warmup", "0", "--log-level", "info").err)
        assert [event["event"] for event in events] == ["pipeline.start", "stage.end", "pipeline.end"] * 3

    def test_goes_to_the_file_alone(self, bench, tmp_path):
        ended = bench("quick", "--rounds", "1", "--warmup", "0", "--log-file", "run.log", "--format", "json")
        assert ended.err == ""
        assert json.loads(ended.out)["options"]["logged"] is True
        assert (tmp_path / "run.log").read_text().count('"stage.start"') == 3


class TestHelp:
    @pytest.mark.parametrize(
        "option",
        ["PIPELINE", "--input", "--rounds", "--warmup", "--max-concurrent", "--timeout", "--seed", "--fail-on"],
    )
    def test_has_every_option(self, atrio, option):
        assert option in atrio("bench", "--help").out

    def test_is_in_the_list_of_commands(self, atrio):
        assert re.search(r"bench +Compare pipelines on the same inputs\.", atrio("--help").out)

    def test_imports_nothing_that_only_a_measurement_needs(self):
        heavy = ["structlog", "jinja2", "cattrs", "regex", "stop_words", "rich.progress", "atrio.agents"]
        program = (
            "import sys\n"
            "from atrio.__main__ import main\n"
            "main(['bench', '--help'])\n"
            f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"
