"""What an experiment is, and its TOML file."""
