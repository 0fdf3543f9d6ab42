"""Networks as ONNX graphs: everything that says onnxruntime."""
