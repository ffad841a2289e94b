"""What a feature means: counts, names, task relevance, families, examples, the map."""
