"""Series: forecasts, the map of windows, latents."""
