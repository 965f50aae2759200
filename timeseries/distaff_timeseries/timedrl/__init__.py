"""TimeDRL (ICDE 2024): its network, its training and fine-tuning."""
