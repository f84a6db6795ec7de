"""riskadmin: the composition root of the risk administration dashboard, and the packages below it."""
