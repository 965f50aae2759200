"""What pages read from a workspace, cached."""
