"""What is wrong with a data set, before a model learns it: quality, leakage, privacy, governance."""
