"""Servers from wheels and a process supervisor, so that `make demo` and `make test` need nothing installed.

It only composes processes: nothing here imports a package of the product, and nothing in production imports this.
"""
