"""Does it help: measures that stand beside FAC and know nothing of features."""
