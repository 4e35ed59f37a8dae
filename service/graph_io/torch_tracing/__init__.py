"""Tracing an nn.Module into an ArchGraph. The public face is `service.graph_io.torch_tracer`.

tracer.py        one module: how it is run and recorded, and what is tried if that fails
steps.py         what was computed: one record a call, numbered
recorder.py      the torch function mode that writes the records while the module runs
handlers/        what each function of torch is, and its result's shape without computing it
onnx_programs.py the program of an ONNX file, its operators run in torch (onnx_operators/)
nested.py        tensors in nested arguments and results
stand_ins.py     lends the module tensors without memory or copies, and gives everything back as it was
zeros.py         for modules whose control flow looks at values: zeros will do
values.py        for modules that need their numbers: computed, and written down from shadows without memory
transforms.py    what vmap, gradients and flex_attention do unseen
inputs.py        the input that a module wants
parametric.py    what a value that was computed from parameters alone is made of
lowering.py      records -> nodes and their parameters, with
node_builder.py, weighted.py, combined.py
"""
