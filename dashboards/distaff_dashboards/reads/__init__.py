"""Cached reads of a workspace that several pages share; what one page alone reads is in that page's folder."""
