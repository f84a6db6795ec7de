"""Tradovate's partner API: typed client, errors, session tokens, API budget.

It knows nothing of Django or of the other packages. Its stored state goes through two protocols, ``ledger.Ledger`` and
``tokens.TokenStore``, which ``accounts`` implements with PostgreSQL.
"""
