"""Objectives beside the loss: views of a history should lie near each other and far from those of others."""
