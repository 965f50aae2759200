class Speaking:
    pass
