"""What happened to an account, a trader or a change, and what a person did, told in order."""
