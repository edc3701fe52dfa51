"""One epoch of training: network, objective, optimiser, batches, gradients."""
