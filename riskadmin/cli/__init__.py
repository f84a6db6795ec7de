"""The command for people on call: finds accounts, locks one, and follows a change, over the API. Needs `requests` alone."""
