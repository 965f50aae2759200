"""Plait, our recommender whose scores are attributed to intents, and the mixture that finds the intents."""
