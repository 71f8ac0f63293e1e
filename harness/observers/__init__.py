"""What watches a run and writes down what it saw; judges nothing."""
