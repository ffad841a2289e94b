"""What a person decides about candidates: decisions as events, the queue, and the export of what was approved."""
