"""A data set's evaluation at several times the data set's size: made-up annotations and predictions, and the steps.

Each module has three functions. `sizes(times)` says how many there are of what, and the bytes of the arrays that the
evaluation begins with, where they are large; `make(folder, times)` writes annotations and predictions as the data set
and the model's commands have them; `evaluate(folder, step)` goes from these files to the figures, each part of
it within `with step(NAME):`.
"""
