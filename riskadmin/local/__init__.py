"""What `make demo` and `make test` need on a bare machine: servers from wheels, a process supervisor; and developers' tools.

It imports no package of the product, and nothing in production imports this.
"""
