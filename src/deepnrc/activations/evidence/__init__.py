"""Evidence from one batch: what predictions depend on, and which axis is the sample."""
