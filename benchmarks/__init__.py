"""The benchmark suite of atrio: ``python -m benchmarks --help``, or ``nox -s bench``.

=============== ========================================================================================
``harness/``    how anything is measured: programs, worker processes, rounds, run folders, environments
``analysis/``   what samples say: figures with intervals, rows with targets, comparisons of two runs
``report/``     how it is shown: Markdown, plots, one page of HTML
``twin/``       the asyncio twin: the same system on asyncio, written to be fast
``micro/``      one stage, attempt, guarded call, event, record
``batch/``      throughput of batches and streams, of agents that do nothing and of agents that sleep
``latency/``    how long runs take beside many others
``memory/``     what results keep and streams hold
``startup/``    what importing and ``--help`` cost
``cancel/``     how long a cancelled batch takes to be quiet; how late deadlines are
``scale/``      cost against the number of stages, items and sinks
``rivals/``     other ways to do the same work, one file each, in environments of their own
=============== ========================================================================================
"""
