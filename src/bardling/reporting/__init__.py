"""What people see of a run: lines and bars in a terminal."""
