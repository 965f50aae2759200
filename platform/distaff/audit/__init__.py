"""The referee: what a hostile reader would ask of a run or a dataset, answered from the records."""
