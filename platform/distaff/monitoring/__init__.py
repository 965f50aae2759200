"""What changed since a model was fitted."""
