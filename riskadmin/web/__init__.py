"""Page plumbing without models: access, htmx, paging, headers, request ids, the frame and its template tags."""
