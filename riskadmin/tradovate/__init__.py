"""Tradovate's partner API: typed client, errors, session tokens, rate budget.

It knows nothing of Django or of the other packages. What it must remember goes through two protocols,
``ledger.Ledger`` and ``tokens.TokenStore``, which ``accounts`` implements over PostgreSQL.
"""
