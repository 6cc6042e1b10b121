"""The chip that meets budgets: searched, promised and checked; and what one more of each resource buys."""
