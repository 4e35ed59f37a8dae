"""The ONNX reader and writer, in steps: bytes -> model -> flat operations -> drafts -> fused drafts ->
ArchGraph.

wire.py        counts what the bytes would become before anything is parsed
load.py        bytes to a protobuf message
tensors.py     tensors of the file that may be parameters, and the few small values that are read
scopes.py      the graphs of a model: its own, branches and bodies of loops, functions
faults.py      errors that nobody expected, as problems that name the node
flatten.py     local functions inlined within a budget, nodes sorted, subgraphs reduced to what they capture
shapes.py      best-effort shapes of intermediate values
values.py      what a value is: computed from the input, or fixed before it
draft.py       the nodes under construction
op.py          one operation
table.py       the one table of ONNX operators: a row each (row.py says what is in one)
exact/         operators without weights of which a node here says everything, so that it can be run
attributes.py  what is known of the others
translate.py   one operation at a time becomes drafts (builder.py: what the functions of a row need of it)
inputs.py      the network's inputs, told from weights that are listed as inputs
weighted.py    convolutions, norms, recurrent layers
linear.py      linear layers
loose.py       parameters outside of layers: added, multiplied, looked up, joined
weightless.py  sums, products and reductions
slots.py       where operations take weights, and what only makes weights
fixed.py       operations on constants and parameters; folding.py arithmetic on shapes and axes
filling.py     values into the tensors of a model, wherever they lie
external.py    values that lie in a file beside the model
missing.py     values that a filled file needs besides the predicted ones
statistics.py  statistics of norms, kept apart from parameters that exporters found equal
tensor_values.py  values of stored tensors
made_up.py      weights that exporters make up
trainable.py   which tensors in doubtful places are parameters (leaves.py: what a tensor says by itself)
naming.py      what a tensor's name says of it
"""
