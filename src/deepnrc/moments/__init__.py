"""Joint moments of features and targets: the records, and the streaming sums that fill them."""
