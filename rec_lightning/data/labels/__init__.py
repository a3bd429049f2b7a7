"""What is to be predicted of an event."""
