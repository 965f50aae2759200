"""Tables between the warehouse and memory: datasets written and loaded, people taken out."""
