"""What the chip cannot run, as exact ONNX models for the host: a builder, and a rule for each operator."""
