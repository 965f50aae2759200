"""Forgetting people: out of the tables with their history, out of fitted models, with an audit record and a check."""

from distaff.forgetting.forget import Forgotten, forget

__all__ = ["Forgotten", "forget"]
