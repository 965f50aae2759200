"""CORAL: incremental, disentangled causal graphs and root-cause localisation."""
