"""Lists of rows: filters as chips, keyset paging, sorting, columns to choose, CSV; `docs/face-components.md` shows how.

A package declares a list once (`spec.ListSpec`), with its filters (`filters.ListFilters`). `page.ListPage` is what one
request wants of it, and `templates/list/` shows it.
"""
