"""From batches to better weights: settings, objective, schedule, optimizer, loop."""
