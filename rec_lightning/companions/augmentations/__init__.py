"""Changed copies of histories, a whole batch at a time; padding stays at the right."""
