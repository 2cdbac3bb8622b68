"""From settings to trainings and refits."""
