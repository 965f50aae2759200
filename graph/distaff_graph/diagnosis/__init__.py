"""Root causes: the trigger, CORAL and its controls."""
