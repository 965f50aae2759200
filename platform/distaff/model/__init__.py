"""What every model is, whatever it models: configuration, registry, fitting, saving."""
