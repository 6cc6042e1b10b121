"""Trained models in, ONNX graphs out."""

from lithify.frontend.onnx import load, save

__all__ = ["load", "save"]
