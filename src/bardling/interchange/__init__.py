"""Files of others: what they hold becomes ours, and, later, ours becomes theirs."""
