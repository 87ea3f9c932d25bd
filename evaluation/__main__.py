"""`python -m evaluation` is `bench`."""

import sys

from evaluation.cli import main

sys.exit(main())
