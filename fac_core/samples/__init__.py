"""What the curator brings: readers, field mapping, quarantine, duplicates, roles."""
