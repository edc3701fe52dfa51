"""Access to data: cache folder, downloads, built sets, images on disk."""
