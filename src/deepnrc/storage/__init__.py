"""Files that are whole or not there: atomic writing, documents, tensors, locks."""
