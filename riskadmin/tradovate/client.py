"""The client: Tradovate's endpoints as typed methods, one attempt each.

docs/endpoints.md lists which method calls which endpoint, and why some have none.
"""

from riskadmin.tradovate.account_writes import AccountWrites
from riskadmin.tradovate.calling import TIMEOUT
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.limit_writes import LimitWrites
from riskadmin.tradovate.reads import Reads

__all__ = ["TIMEOUT", "Client", "Reply"]


class Client(Reads, AccountWrites, LimitWrites):
    """Calls Tradovate in one environment and lane. Safe for threads.

    Every method raises an error of the tree in ``errors``, and ``ValueError`` for what Tradovate would refuse: then nothing
    is sent and no budget used.
    """
