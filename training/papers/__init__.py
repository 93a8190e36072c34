"""Losses and steps of the papers' trainings, where they are not those of `lite` and DeOldify."""
