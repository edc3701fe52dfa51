"""From a model and its batches to rows of features: layers, hooks, reduction, labels, state."""
