"""FAC Explorer: see in a language model's feature space what a post-training set does not cover, and close the gaps."""

__version__ = "0.1.0"
