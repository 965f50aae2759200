"""DTS and its relatives: variational autoencoders of series whose objective is taken apart before it is weighed."""
