"""Full-ranking evaluation and exact top-k lists."""
