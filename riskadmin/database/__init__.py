"""PostgreSQL's three roles: who may do what to which table (docs/adr/0029-database-roles.md)."""
