"""People and their recommendations: by intents and in words."""
