"""Objectives of several passes through the model, in the loss' place."""
