import json
import os
import signal

import pytest
import trio

from atrio import Backoff, ErrorPolicy

ONCE = {"error_policy": ErrorPolicy.STOP}


async def double(data):
    return data * 2


async def broken(data):
    raise ValueError("it broke")


def lines_of(err: str) -> list[dict]:
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


class TestTextReport:
    def test_of_a_file(self, atrio, tmp_path):
        (tmp_path / "a.txt").write_text("Tides rise. Tides fall, and tides rise again.")
        ended = atrio("run", "text-report", "a.txt")
        assert ended.code == 0
        assert ended.out.startswith("# Text report\n")
        assert "| Words | 8 |" in ended.out
        assert "| Tides | 3 |" in ended.out
        assert ended.out.endswith("|\n")

    def test_of_an_empty_file(self, atrio, tmp_path):
        (tmp_path / "a.txt").touch()
        ended = atrio("run", "text-report", "a.txt")
        assert ended.code == 0
        assert "| Words | 0 |" in ended.out

    def test_of_a_value(self, atrio):
        ended = atrio("run", "text-report", "--value", '"Some text."', "--format", "json")
        assert [stage["agent_id"] for stage in json.loads(ended.out)["stages"]] == [
            "text_cleaner",
            "text_analyzer",
            "report_writer",
        ]

    def test_of_what_is_no_text_says_what_it_takes(self, atrio):
        ended = atrio("run", "text-report", "--value", "[1]", "--log-level", "error")
        assert ended.code == 1
        assert ended.out == ""
        last = ended.err.splitlines()[-1]
        assert last.startswith("atrio: text-report failed in text_cleaner: TypeError: ")
        assert last.endswith(
            "The pipeline takes text: a text file, text on standard input, or a JSON string as --value."
        )

    def test_by_another_name(self, atrio):
        ended = atrio("run", "Text-repotr", "--value", '""')
        assert ended.code == 2
        assert ended.err == (
            "atrio: there is no pipeline 'Text-repotr'. Did you mean 'text-report'? Known: text-report, and your own "
            "as module:attribute.\n"
        )

    def test_by_a_name_that_is_far_away(self, atrio):
        assert atrio("run", "zzz").err == (
            "atrio: there is no pipeline 'zzz'. Known: text-report, and your own as module:attribute.\n"
        )


class TestOutput:
    def test_text_is_printed_as_it_is_and_ends_with_one_newline(self, atrio, ready_made):
        ready_made("doubled", double)
        assert atrio("run", "doubled", "--value", '"[b]\\t"').out == "[b]\t[b]\t\n"
        assert atrio("run", "doubled", "--value", '"a\\n"').out == "a\na\n"

    def test_anything_else_is_printed_as_json(self, atrio, ready_made):
        ready_made("doubled", double)
        assert atrio("run", "doubled", "--value", '["é"]').out == '[\n  "é",\n  "é"\n]\n'
        assert atrio("run", "doubled", "--value", "-5").out == "-10\n"

    def test_json_is_the_whole_result(self, atrio, ready_made):
        ready_made("doubled", double)
        result = json.loads(atrio("run", "doubled", "--value", "21", "--format", "json").out)
        assert (result["pipeline_id"], result["status"], result["output"]) == ("doubled", "success", 42)
        assert result["summary"]["successful_stages"] == 1

    def test_json_of_a_failed_run_is_printed_too(self, atrio, ready_made):
        ready_made("breaks", broken, **ONCE)
        ended = atrio("run", "breaks", "--value", "1", "--format", "json")
        assert ended.code == 1
        assert json.loads(ended.out)["stages"][0]["error"]["message"] == "it broke"
        assert "breaks failed in stage_0: ValueError: it broke. " in ended.err

    def test_what_stdout_cannot_encode_is_escaped(self, atrio_process):
        arguments = ("run", "text-report", "--value", '"Déjà vu, déjà vu."')
        ended = atrio_process(*arguments, PYTHONIOENCODING="ascii")
        assert ended.code == 0
        assert "| D\\xe9j\\xe0 | 2 |" in ended.out
        whole = atrio_process(*arguments, "--format", "json", PYTHONIOENCODING="ascii").out
        assert whole.isascii()
        assert "| Déjà | 2 |" in json.loads(whole)["output"]


class TestTable:
    def test_shows_every_stage(self, atrio, ready_made):
        ready_made("both", double, broken, attempts=2, backoff=Backoff(initial=0))
        ended = atrio("run", "both", "--value", "1", "--format", "table")
        assert ended.code == 1
        first, second = (line.split("│")[1:-1] for line in ended.out.splitlines() if line.startswith("│ stage_"))
        assert [cell.strip() for cell in (first[0], first[1], first[3], first[4])] == ["stage_0", "success", "1", ""]
        assert [cell.strip() for cell in (second[0], second[1], second[3])] == ["stage_1", "error", "2"]
        assert second[4].strip() == "ValueError: it broke"
        assert first[2].strip().endswith((" ms", " us"))
        assert ended.out.startswith("both: failed in ")
        assert "\x1b" not in ended.out

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_fits(self, atrio, ready_made, monkeypatch, columns):
        async def verbose(data):
            raise ValueError("[red]" + 300 * "x" + "\x1b[2J")

        ready_made("verbose", verbose, **ONCE)
        monkeypatch.setenv("COLUMNS", str(columns))
        out = atrio("run", "verbose", "--value", "1", "--format", "table").out
        assert max(map(len, out.splitlines())) <= columns
        assert "\x1b" not in out
        error = "".join(line.split("│")[5].strip() for line in out.splitlines() if line.startswith("│"))
        assert error.replace(" ", "") == "ValueError:[red]" + 300 * "x" + "\\x1b[2J"

    def test_takes_seconds_for_long(self, atrio, ready_made, monkeypatch):
        async def slow(data):
            monkeypatch.setattr(trio, "current_time", lambda clock=trio.current_time: clock() + 90)

        ready_made("slow", slow)
        assert atrio("run", "slow", "--value", "1", "--format", "table").out.startswith("slow: success in 90.0 s\n")


class TestComplaints:
    def say(self, atrio, name: str) -> str:
        return atrio("run", name, "--value", "1", "--log-format", "console").err.splitlines()[-1]

    def test_of_retries(self, atrio, ready_made):
        ready_made("retried", broken, attempts=2, backoff=Backoff(initial=0))
        assert self.say(atrio, "retried") == (
            "atrio: retried failed in stage_0 after 2 attempts: ValueError: it broke. "
            "Try again with --log-level debug to see where it happened."
        )

    def test_of_a_timeout(self, atrio, ready_made):
        async def slow(data):
            await trio.sleep_forever()

        ready_made("slow", slow, timeout=0.001, **ONCE)
        assert self.say(atrio, "slow") == (
            "atrio: slow failed in stage_0: timeout: stage 'stage_0' timed out: an attempt took 0.001 seconds. "
            "Give it less at a time, or try again later."
        )

    def test_of_an_error_without_a_message(self, atrio, ready_made):
        async def wordless(data):
            raise LookupError

        ready_made("wordless", wordless, **ONCE)
        assert "stage_0: LookupError. Try again" in self.say(atrio, "wordless")

    def test_of_a_long_one_and_of_one_with_a_full_stop(self, atrio, ready_made):
        async def verbose(data):
            raise ValueError("a" + 5000 * "x" + "z.")

        ready_made("verbose", verbose, **ONCE)
        said = self.say(atrio, "verbose")
        assert "ValueError: axx" in said
        assert "xxz. Try again" in said
        assert len(said) < 700

    def test_of_what_could_command_a_terminal(self, atrio, ready_made):
        async def hostile(data):
            raise ValueError("\x1b[31mred\nline\u202etxt.exe\x9b2J")

        ready_made("hostile", hostile, **ONCE)
        assert r"\x1b[31mred\nline\u202etxt.exe\x9b2J. Try" in self.say(atrio, "hostile")

    @pytest.mark.parametrize(("more", "code"), [((), 0), (("--fail-on", "degraded"), 1)])
    def test_of_a_skipped_stage(self, atrio, ready_made, more, code):
        ready_made("skips", broken, double, attempts=1, error_policy=ErrorPolicy.SKIP)
        ended = atrio("run", "skips", "--value", "21", "--log-level", "error", *more)
        assert ended.code == code
        assert ended.out == "42\n"
        assert ended.err == "atrio: skips skipped stage_0: ValueError: it broke.\n"

    def test_of_nothing(self, atrio, ready_made):
        ready_made("doubled", double)
        ended = atrio("run", "doubled", "--value", "21", "--log-level", "ERROR", "--fail-on", "degraded")
        assert (ended.code, ended.out, ended.err) == (0, "42\n", "")


class TestLifetime:
    def test_agents_are_entered_and_left(self, atrio, ready_made):
        steps = []

        class Connected:
            async def __aenter__(self):
                steps.append("open")

            async def process(self, data):
                steps.append("process")

            async def __aexit__(self, *exc_info):
                steps.append("close")

        ready_made("connected", Connected())
        assert atrio("run", "connected", "--value", "1").out == "null\n"
        assert steps == ["open", "process", "close"]


class TestInterrupt:
    def test_is_a_cancellation_of_the_run(self, atrio, ready_made):
        async def interrupted(data):
            signal.raise_signal(signal.SIGINT)
            await trio.sleep_forever()

        ready_made("interrupted", interrupted)
        before = signal.getsignal(signal.SIGINT)
        ended = atrio("run", "interrupted", "--value", "1")
        assert ended.code == 130
        assert ended.out == ""
        events = lines_of(ended.err)
        assert [(event["event"], event.get("status")) for event in events] == [
            ("pipeline.start", None),
            ("stage.end", "cancelled"),
            ("pipeline.end", "cancelled"),
        ]
        run_id = events[0]["run_id"]
        assert ended.err.endswith(f"atrio: interrupted: run {run_id} of interrupted was cancelled.\n")
        assert signal.getsignal(signal.SIGINT) is before

    def test_of_a_run_that_ends_all_the_same_keeps_its_result(self, atrio, ready_made):
        async def too_late(data):
            signal.raise_signal(signal.SIGINT)
            return "done"

        ready_made("late", too_late)
        assert atrio("run", "late", "--value", "1").out == "done\n"

    def test_that_is_ignored_stays_ignored(self, atrio, ready_made):
        async def interrupted(data):
            signal.raise_signal(signal.SIGINT)
            await trio.lowlevel.checkpoint()
            return "done"

        ready_made("ignoring", interrupted)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ended = atrio("run", "ignoring", "--value", "1")
        finally:
            signal.signal(signal.SIGINT, before)
        assert (ended.code, ended.out) == (0, "done\n")

    @pytest.mark.parametrize(
        "interrupt",
        [KeyboardInterrupt(), BaseExceptionGroup("", [BaseExceptionGroup("", [KeyboardInterrupt()])])],
        ids=["bare", "grouped"],
    )
    def test_outside_of_a_run(self, atrio, monkeypatch, interrupt):
        def read(path, value):
            raise interrupt

        monkeypatch.setattr("atrio.cli.run.read_task", read)
        ended = atrio("run", "text-report")
        assert (ended.code, ended.err) == (130, "atrio: interrupted.\n")


class TestMisuse:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["run"], "PIPELINE is missing. See atrio run --help."),
            (
                ["rnu"],
                (
                    'Unknown command "rnu". Did you mean "run"? Available commands: run, batch, bench, init, check, '
                    "agents, pipelines, suggest, ... "
                    "See atrio --help."
                ),
            ),
            (
                ["--format", "json", "run", "text-report"],
                "'--format' comes before the command, and options come after it. See atrio --help.",
            ),
            (
                ["run", "text-report", "a", "b", "c"],
                "that is more than atrio run takes: 'b' 'c'. See atrio run --help.",
            ),
            (
                ["run", "text-report", "--fromat", "json"],
                "Unknown option: --fromat. Did you mean --format? See atrio run --help.",
            ),
            (
                ["run", "text-report", "a.txt", "--fromat=json"],
                "Unknown option: --fromat. Did you mean --format? See atrio run --help.",
            ),
            (
                ["run", "text-report", "-", "-x", "1"],
                "Unknown option: -x. See atrio run --help.",
            ),
            (
                ["run", "text-report", "--fail-on", "failure"],
                'Invalid value "failure" for --fail-on. Choose from: "degraded". See atrio run --help.',
            ),
        ],
        ids=["no pipeline", "command", "order", "too many", "option", "joined", "short", "choice"],
    )
    def test_is_told_in_a_sentence(self, atrio, arguments, sentence):
        ended = atrio(*arguments)
        assert (ended.code, ended.out, ended.err) == (2, "", f"atrio: {sentence}\n")

    def test_of_inputs(self, atrio):
        ended = atrio("run", "text-report", "none.txt")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "atrio: 'none.txt' cannot be read: No such file or directory.\n"


class TestAHistoryThatCannotBeUsed:
    def test_an_interrupt_while_it_is_closed_takes_no_result_away(self, atrio, monkeypatch):
        """Closing may wait for another process."""

        def interrupted(_):
            raise KeyboardInterrupt

        monkeypatch.setattr("atrio.history.HistorySink.close", interrupted)
        ended = atrio("run", "text-report", "--value", '"Tides rise."')
        assert ended.code == 130
        assert "| Words | 2 |" in ended.out

    @pytest.mark.parametrize("place", ["folder", "name too long", "pipe"])
    def test_a_run_is_none_the_worse(self, atrio, tmp_path, place):
        path = tmp_path / ".atrio" / "history.db"
        path.parent.mkdir()
        options = []
        if place == "folder":
            path.mkdir()
        elif place == "pipe":
            os.mkfifo(path)
        else:
            options = ["--history", "x" * 300]
        ended = atrio("run", "text-report", "--value", '"Tides rise."', *options)
        assert ended.code == 0
        assert "| Words | 2 |" in ended.out
        assert "; nothing more is kept." in ended.err
        looked = atrio("status", *options)
        assert (looked.code, looked.out) == (2, "")
        assert looked.err.startswith("atrio: ")
