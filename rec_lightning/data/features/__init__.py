"""Columns of users and items computed from training events: one feature a file, put together in the conf."""
