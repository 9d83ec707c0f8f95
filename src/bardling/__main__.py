"""`python -m bardling` is `bardling`."""

import sys

from bardling.cli import main

if __name__ == "__main__":
    sys.exit(main())
