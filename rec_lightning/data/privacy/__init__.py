"""What protects people: guards that run on the tables before anything else sees them, one a file."""
