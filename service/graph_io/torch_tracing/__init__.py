"""Tracing an nn.Module into an ArchGraph. The public face is `service.graph_io.torch_tracer`.

steps.py         what was computed: one record a call, numbered
recorder.py      the torch function mode that writes the records while the module runs
handlers/        what each function of torch is, and its result's shape without computing it
stand_ins.py     lends the module tensors without memory, and gives everything back as it was
inputs.py        the input that a module wants
attention.py     finds attention that a network spells out itself
gates.py         finds squeeze and excite
parametric.py    what a value that was computed from parameters alone is made of
lowering.py      records -> nodes and their parameters, with
node_builder.py, weighted.py, combined.py
"""
