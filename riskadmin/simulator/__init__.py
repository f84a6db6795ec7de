"""Tradovate in a box: a separate process that answers like the partner API's demo and live hosts.

It has its own store and imports nothing of the rest of the project, so that the project's own client is tested against a
second, independent reading of the documents. ``docs/simulator.md`` describes how to use it.

Where the partner documentation is silent a choice had to be made. Each such choice is marked ``[?]`` where it is made and,
when tests may need another one, is a field of ``settings.Settings``.
"""
