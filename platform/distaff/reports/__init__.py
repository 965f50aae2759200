"""Reports of runs and of boards that need no workspace to be read."""
