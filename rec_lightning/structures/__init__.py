"""What lies between the trunk that tasks share and their heads, one structure a file."""
