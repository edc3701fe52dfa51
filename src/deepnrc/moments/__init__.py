"""Joint moments of features and targets: the record, its variants, and streaming sums of rows."""
