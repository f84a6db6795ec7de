"""Sentry and OpenTelemetry, each only if a setting names where to; their packages are an extra and imported only then."""
