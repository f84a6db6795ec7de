"""How many random examples a test of any input tries: few in `make test`, many in `make examples`."""

import os

EXAMPLES = int(os.environ.get("EXAMPLES", "30"))
EXAMPLES_OF_MANY_QUERIES = EXAMPLES // 3
"""For a test that writes and reads dozens of rows for each."""
