"""Everything that more than one page draws: a page says what to show, this package says how it looks."""
