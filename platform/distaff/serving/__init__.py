"""Answers over HTTP: published lists, similar items, reasons, forecasts, the latest diagnosis. Nothing is written."""
