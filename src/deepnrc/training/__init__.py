"""Training as the papers do it."""
