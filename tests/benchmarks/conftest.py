import sys
from pathlib import Path

# The benchmarks are programs, not a package: they find one another beside themselves.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
