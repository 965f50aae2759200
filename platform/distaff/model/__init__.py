"""The contract of every model, whatever it models: configuration, registry, fitting, saving."""
