"""Linear heads on frozen encodings: forecasts and classes, in closed form or by gradient."""
