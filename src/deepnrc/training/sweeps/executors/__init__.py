"""Where the members of a sweep are trained: on this machine, by SLURM or on a Ray cluster.

All executors send folders and configurations as text, and share the folders' file system with the
caller; everything else that is known about a member is in its folder.
"""
