"""Graph models: recommenders with intents, and their controls."""
