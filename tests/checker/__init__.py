"""A strict reader of the simulator's log of calls: whether each request was one that Tradovate's pages allow.

Written from the pages and their schemas alone: nothing here knows the client, so that a mistake of the client's is not
made here once more. The simulator must keep its answers (setting ``kept_answer_bytes``): what a request may carry rests on
what was answered before.
"""

from tests.checker.check import KEEP_ANSWERS, check

__all__ = ["KEEP_ANSWERS", "check"]
