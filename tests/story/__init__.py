"""Stories of accounts, traders, people and changes."""
