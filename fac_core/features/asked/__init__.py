"""Features → explanations → scores, by asking a model: functions to `Question`s and from `Answer`s, and two jobs."""
