"""Plait, our recommender whose scores are exact sums over intents, and the mixture that finds the intents."""
