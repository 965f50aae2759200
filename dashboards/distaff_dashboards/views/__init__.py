"""The pages, one folder for each that needs several files."""
