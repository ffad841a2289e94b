"""Gap → verified candidate: prompts, step 1, step 2, generators, outcomes, global assignment, find before make."""
