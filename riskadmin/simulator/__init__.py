"""Tradovate in a box: a separate process that answers like the partner API's demo and live hosts.

It has its own store and imports nothing of the rest of the project, so that what the project's own
client believes about Tradovate is tested against a second, independent reading of the documents.
What a person does with it is in ``docs/simulator.md``.

Where the partner documentation is silent a choice had to be made; each such choice is marked
``[?]`` where it is made and, when tests may want it otherwise, is a field of ``settings.Settings``.
"""
