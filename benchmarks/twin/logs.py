"""How the twin logs: stdlib ``logging``, one JSON line an event, by the shortest way that ``logging`` offers."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

SCHEMA = 1
LEVEL_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
JSON_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z

# What logging collects for every record although no formatter of ours prints it; switching it off is the advice of the
# logging HOWTO. The last one exists from Python 3.12 on.
UNUSED_LOGGING_FEATURES = ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks")


class FieldsRecord(logging.LogRecord):
    """A log record with the fields of an event beside its message."""

    fields: Mapping[str, Any]


def log_event(logger: logging.Logger, level: int, event: str, fields: Mapping[str, Any]) -> None:
    """Log an event; the caller has asked ``logger.isEnabledFor(level)``."""
    # Made by hand: Logger.info would walk the stack for a file name that nobody prints.
    record = FieldsRecord(logger.name, level, "", 0, event, None, None)
    record.fields = fields
    logger.handle(record)


class JsonFormatter(logging.Formatter):
    """Render a record and its fields as one line of JSON."""

    def encode(self, record: logging.LogRecord) -> bytes:
        """Return the line as bytes, its newline included, for handlers that write bytes."""
        line = {
            "schema": SCHEMA,
            "event": record.msg,
            "level": LEVEL_NAMES[record.levelno],
            "timestamp": datetime.now(UTC),
            "logger": record.name,
            **getattr(record, "fields", {}),
        }
        return orjson.dumps(line, option=JSON_OPTIONS)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line as text, without its newline, for the handlers of the standard library."""
        return self.encode(record)[:-1].decode()


class BytesFileHandler(logging.Handler):
    """Write lines to a binary file: no decoding and encoding again, and the file decides about buffering."""

    def __init__(self, file: BinaryIO, formatter: JsonFormatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._encode = formatter.encode
        self._write = file.write

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        try:
            self._write(self._encode(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a handler reports, it never raises
            self.handleError(record)


@contextmanager
def lean_records() -> Iterator[None]:
    """Switch off, for the block, what logging collects and the twin never prints."""
    before = {name: getattr(logging, name) for name in UNUSED_LOGGING_FEATURES if hasattr(logging, name)}
    try:
        for name in before:
            setattr(logging, name, False)
        yield
    finally:
        for name, value in before.items():
            setattr(logging, name, value)


@contextmanager
def logging_to(file: BinaryIO, logger: logging.Logger, level: int) -> Iterator[None]:
    """Send the logger's records of this level and above to the file, for the block, and to nobody else."""
    handler = BytesFileHandler(file, JsonFormatter())
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        with lean_records():
            yield
    finally:
        level_before, logger.propagate = before
        logger.setLevel(level_before)
        logger.removeHandler(handler)


@contextmanager
def silenced() -> Iterator[None]:
    """Let the twin log nothing, for the block.

    A program that has not configured logging has a root level of WARNING: errors would be formatted, their stacks and
    all, for a handler that throws them away. What is called quiet is to be quiet.
    """
    log = logging.getLogger("twin")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)
