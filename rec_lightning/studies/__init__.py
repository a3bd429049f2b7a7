"""A study: named rows, each a run of its own, put side by side with honest statistics."""
