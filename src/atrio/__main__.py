"""The command ``atrio``, which is ``python -m atrio`` too."""

import sys

from atrio.cli import main

if __name__ == "__main__":
    sys.exit(main())
