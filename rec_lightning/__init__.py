"""rec_lightning: pretrained language models in recommenders, from one line of configuration."""

__version__ = "0.1.0"
