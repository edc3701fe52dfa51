"""Linear algebra of small matrices: spectra, principal angles, and the rank by energy."""
