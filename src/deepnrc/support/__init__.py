"""What every room may use: suggestions for misspelt names, optional libraries, open registries."""
