"""Between the warehouse and memory: rows of tables to datasets, and what is asked of tables by name."""
