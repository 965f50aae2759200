"""DGVAE (TMM 2024) and, with parts of it switched off, MacridVAE (NeurIPS 2019) and Multi-VAE (WWW 2018).

``branch`` encodes users over items or over words, ``decoder`` scores them, ``coupling`` joins two branches, ``item_graph``
is the frozen graph of items, ``network`` all of these with their objective, ``vae`` the training and the scores that all
three models share, ``words`` the words of DGVAE's factors, and ``models`` the models themselves.
"""
