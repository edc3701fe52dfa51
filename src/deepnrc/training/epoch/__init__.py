"""One epoch of training: network, objective, optimizer, batches, gradients."""
