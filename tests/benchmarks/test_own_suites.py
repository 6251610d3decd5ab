"""The suites that compare atrio with the twin and with loops by hand: what they claim holds, and labels say it."""

import pytest

from benchmarks import batch, micro, scale
from benchmarks.harness.features import FEATURES
from benchmarks.harness.programs import Tier
from benchmarks.harness.worker import built, digest_of

SUITES = (micro, batch, scale)
WORKS = {work.name: work for suite in SUITES for work in suite.WORKS}
PROGRAMS = {program.name: program for suite in SUITES for program in suite.PROGRAMS}
ROWS = [row for suite in SUITES for row in suite.ROWS]
USUAL = [program for program in PROGRAMS.values() if program.tier <= Tier.QUICK]

# What a program must say beside one that does more, and of one that does less.
KEEPS = {"records", "attempts", "outcomes"}
SAYS_SO = ("keeps nothing", "keeps outputs alone", "bare ", "above ")

# Programs of one class differ in size alone; small ones show that they can be timed.
SMALL = {"items": 60, "places": 5, "stages": 3, "sleeps_s": [0.001, 0.002]}


def skip_without_uvloop(options):
    if options.get("loop") == "uvloop":
        pytest.importorskip("uvloop")


@pytest.mark.parametrize("program", USUAL, ids=lambda program: program.name)
def test_answers_and_claims(program):
    skip_without_uvloop(program.options)
    subject = built(program.build, dict(program.options))
    assert digest_of(subject.answer()) == digest_of(WORKS[program.work].answer)
    shown = {feature: getattr(subject, f"probe_{feature}")() for feature in program.features}
    assert shown == {feature: FEATURES[feature].expected for feature in program.features}


def kinds_of_programs():
    kinds = {}
    for program in PROGRAMS.values():
        options = {name: SMALL.get(name, value) for name, value in program.options.items()}
        kinds.setdefault((program.build, repr(options)), (program.build, options))
    return [pytest.param(*each, id=f"{each[0]} {each[1]}") for each in kinds.values()]


@pytest.mark.parametrize(("build", "options"), kinds_of_programs())
def test_everything_can_be_timed(build, options):
    skip_without_uvloop(options)
    cost = built(build, options).time(3)
    assert 0 <= cost.cpu_s < 5
    assert 0 < cost.wall_s < 5


def test_names():
    for program in PROGRAMS.values():
        assert program.work in WORKS
        assert program.name.startswith(f"{program.work}.")
        assert set(program.features) <= set(FEATURES)
    assert len(PROGRAMS) == sum(len(suite.PROGRAMS) for suite in SUITES)
    assert len(WORKS) == sum(len(suite.WORKS) for suite in SUITES)


def test_rows_name_programs_that_exist():
    assert {name for row in ROWS for name in row.programs} <= set(PROGRAMS)
    assert len({row.label for row in ROWS}) == len(ROWS)


def test_every_program_is_in_a_row():
    # A library that needs asyncio is held against the bare call there.
    assert set(PROGRAMS) - {name for row in ROWS for name in row.programs} == {"guard.call.bare.asyncio"}


def sides_of(row):
    sides = [PROGRAMS[name] for name in row.programs]
    return pytest.param(row, *sides, id=row.label) if len(sides) == 2 else None


PAIRED = list(filter(None, map(sides_of, ROWS)))


@pytest.mark.parametrize(("row", "above", "below"), PAIRED)
def test_labels_say_where_one_side_hears_more(row, above, below):
    if above.hears != below.hears:
        for program in (above, below):
            if program.hears != "quiet":
                assert program.hears in row.label
            elif "bare" not in program.name:
                assert "quiet" in row.label


@pytest.mark.parametrize(("row", "above", "below"), PAIRED)
def test_labels_say_where_one_side_keeps_less(row, above, below):
    kept = [KEEPS.intersection(program.features) for program in (above, below)]
    if kept[0] != kept[1]:
        assert any(words in row.label for words in SAYS_SO)


@pytest.mark.parametrize(("row", "above", "below"), PAIRED)
def test_rows_compare_the_same_work_or_say_the_size(row, above, below):
    if above.work != below.work:
        assert row.per_unit or row.minus or above.work.startswith("scale.sinks.")


def test_a_control_is_the_same_program_twice():
    controls = [row for row in ROWS if row.control]
    assert len(controls) >= 4
    for row in controls:
        again, first = sorted((PROGRAMS[name] for name in row.programs), key=lambda program: not program.control)
        assert (again.control, first.control) == (True, False)
        assert (again.build, again.options, again.features) == (first.build, first.options, first.features)


def test_gates_are_ratios_of_the_core_with_a_direction():
    gates = [row for row in ROWS if row.gate]
    assert 10 <= len(gates) <= 16
    for row in gates:
        assert row.below is not None
        assert all(PROGRAMS[name].tier is Tier.CORE for name in row.programs)
        # Lower is better unless a target says otherwise: atrio's own figure stands above.
        assert row.higher_is_better or PROGRAMS[row.above].subject == "atrio"


def test_whatever_has_records_attempts_and_timeouts_is_held_against_atrio():
    others = {
        name
        for name, program in PROGRAMS.items()
        if program.work == "pipeline.20" and program.subject != "atrio" and program.hears == "quiet"
        and {"records", "attempts", "timeout"} <= set(program.features)
    }  # fmt: skip
    held = {row.above for row in ROWS if row.below == "pipeline.20.atrio" and (row.at_least or 0) >= 1}
    assert (
        others
        == held
        == {f"pipeline.20.twin{by}{loop}" for by in ("", ".timeout", ".moved") for loop in ("", ".uvloop")}
    )


def test_old_targets_are_kept():
    targets = {(row.above, row.below or row.minus, row.figure): row.target for row in ROWS if row.target}
    pipeline, small, large = "pipeline.20", "batch.10000.50", "batch.100000.50"
    assert (
        targets.items()
        >= {
            (f"{pipeline}.atrio", f"{pipeline}.hand", "cpu_s"): "<= 0.45",
            (f"{pipeline}.atrio.json", f"{pipeline}.hand", "cpu_s"): "<= 0.9",
            (f"{pipeline}.atrio.json.info", f"{pipeline}.hand", "cpu_s"): "<= 0.9",
            (f"{pipeline}.twin", f"{pipeline}.atrio", "cpu_s"): ">= 2.5",
            (f"{pipeline}.twin.json", f"{pipeline}.atrio.json.info", "cpu_s"): ">= 2.5",
            (f"{small}.atrio", f"{small}.hand", "cpu_s"): "<= 1.2",
            (f"{large}.atrio", f"{large}.hand", "cpu_s"): "<= 1.2",
            (f"{small}.atrio.json", f"{small}.hand", "cpu_s"): "<= 3.5",
            (f"{large}.atrio.json", f"{large}.hand", "cpu_s"): "<= 3.5",
            (f"{small}.twin", f"{small}.atrio", "cpu_s"): ">= 3",
            (f"{large}.twin", f"{large}.atrio", "cpu_s"): ">= 3",
            ("sleep.10000.1000.hand", "sleep.10000.1000.atrio", "wall_s"): ">= 0.93",
            ("event.told.unheard", "event.loop.bare", "cpu_s"): "<= 0.2 us",
            ("event.told.filtered", "event.loop.bare", "cpu_s"): "<= 0.5 us",
            ("scale.stages.1000.atrio", "scale.stages.20.atrio", "cpu_s"): "<= 1.1",
            ("scale.items.1000000.atrio", "scale.items.10000.atrio", "cpu_s"): "<= 1.15",
        }.items()
    )
