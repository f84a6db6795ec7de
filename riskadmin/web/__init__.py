"""Page plumbing without models: access, htmx, paging, headers, request ids, the page frame and its template tags."""
