"""Changes of texts that a model trains on, drawn anew at every step; validation and test read texts as they are."""
