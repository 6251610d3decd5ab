import sys
from pathlib import Path

# The suite is run from the repository's root, and is no part of what is installed.
sys.path.insert(0, str(Path(__file__).parents[2]))
