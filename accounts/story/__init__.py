"""What happened to an account, a trader or a change, and what a person did, shown in order."""
