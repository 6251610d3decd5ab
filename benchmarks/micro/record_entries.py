"""What is measured of records and results: making them, and reading what is worked out of them."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

_STAGES = 20
STAGE = Work("record.stage", "A record of a stage, made", "record", answer=[14, "NoOp", "success", 0.001])
TASK = Work("record.task", "An outcome of a batch's task, made", "record", answer=[9, "NoOp", "success", 0.25])
SUMMARY = Work(
    "record.summary", f"The counts of a run of {_STAGES} stages", "result",
    answer=[["total_stages", _STAGES], ["successful_stages", _STAGES], ["failed_stages", 0]],
)  # fmt: skip
PERFORMANCE = Work(
    "record.performance", f"The figures of a run of {_STAGES} stages", "result",
    answer=[["failure_rate", 0.0], ["stage_efficiency", 1.0]],
)  # fmt: skip
DICT = Work(
    "record.dict", f"The result of a run of {_STAGES} stages as a dict", "result",
    answer=["yardstick", "success", [f"stage_{index}" for index in range(_STAGES)]],
)  # fmt: skip
WORKS = (STAGE, TASK, SUMMARY, PERFORMANCE, DICT)


def _made(work: Work, kind: str, name: str, label: str, made_by: str, tier: Tier = Tier.QUICK) -> Program:
    subject = "atrio" if name == "atrio" else "hand"
    options = {"kind": kind, "made_by": made_by}
    return Program(f"{work.name}.{name}", label, work.name, "benchmarks.micro.record:Made", options, subject=subject,
                   tier=tier)  # fmt: skip


def _read(work: Work, name: str, label: str, what: str, tier: Tier = Tier.QUICK) -> Program:
    whose = name.split("-", maxsplit=1)[0]
    options = {"whose": whose, "what": what}
    return Program(f"{work.name}.{name}", label, work.name, "benchmarks.micro.record:Read", options, subject=whose,
                   tier=tier)  # fmt: skip


PROGRAMS = (
    _made(STAGE, "stage", "atrio", "atrio's `StageRecord`", "atrio"),
    _made(STAGE, "stage", "frozen", "a frozen attrs class of the same fields", "frozen", Tier.RIGOROUS),
    _made(STAGE, "stage", "dataclass", "a dataclass with slots of the same fields", "dataclass"),
    _made(TASK, "task", "atrio", "atrio's `TaskResult`", "atrio", Tier.RIGOROUS),
    _made(TASK, "task", "frozen", "a frozen attrs class of the same fields", "frozen", Tier.RIGOROUS),
    _made(TASK, "task", "dataclass", "a dataclass with slots of the same fields", "dataclass", Tier.RIGOROUS),
    _read(SUMMARY, "atrio", "atrio's `result.summary`", "summary", Tier.RIGOROUS),
    _read(SUMMARY, "twin", "the twin's `result.summary`", "summary", Tier.RIGOROUS),
    _read(PERFORMANCE, "atrio", "atrio's `result.performance`", "performance", Tier.RIGOROUS),
    _read(PERFORMANCE, "twin", "the twin's `result.performance`", "performance", Tier.RIGOROUS),
    _read(DICT, "atrio", "atrio's `result.to_dict()`, ready for JSON", "to_dict"),
    _read(DICT, "twin", "the twin's `result.to_dict()`, by `dataclasses.asdict`", "to_dict", Tier.RIGOROUS),
    _read(DICT, "twin-asdict", "`dataclasses.asdict` of the twin's result", "asdict"),
)

ROWS = (
    Row("a record of a stage, made: atrio's / a frozen attrs class", "record.stage.atrio", "record.stage.frozen"),
    Row("a record of a stage, made: atrio's / a dataclass with slots", "record.stage.atrio", "record.stage.dataclass"),
    Row("an outcome of a task, made: atrio's / a frozen attrs class", "record.task.atrio", "record.task.frozen"),
    Row("an outcome of a task, made: atrio's / a dataclass with slots", "record.task.atrio", "record.task.dataclass"),
    Row("`result.summary`: atrio's / the twin's", "record.summary.atrio", "record.summary.twin"),
    Row("`result.performance`: atrio's / the twin's", "record.performance.atrio", "record.performance.twin"),
    Row("`result.to_dict()`: atrio's, ready for JSON / the twin's, whose dates and enums stay objects",
        "record.dict.atrio", "record.dict.twin"),
    Row("atrio's `result.to_dict()`, ready for JSON, with summary and performance / `dataclasses.asdict` of the twin's "
        "result, with neither", "record.dict.atrio", "record.dict.twin-asdict"),
)  # fmt: skip
