"""Dense linear algebra of small symmetric matrices: spectra, subspaces, principal angles."""
