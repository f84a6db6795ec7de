"""riskadmin: the composition root of the risk administration dashboard, and the rooms below it."""
