"""Files that are complete or absent: atomic writes, tensors, documents, manifests and locks."""
