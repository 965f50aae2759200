"""Intents of recommenders: evidence, tables, notes, audits and what follows from moving them."""
