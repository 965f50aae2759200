"""DGVAE (TMM 2024) and, with parts of it switched off, MacridVAE (NeurIPS 2019) and Multi-VAE (WWW 2018).

``half`` is one variational half over items or over words, ``mixture`` its decoder, ``cross`` what joins two halves,
``item_graph`` the frozen graph of items, ``base`` the training that all share and ``models`` the models themselves.
"""
