"""Graph neural recommenders, DCCF and LightGCN, and what they share: sampling, losses, embeddings, partitions."""
