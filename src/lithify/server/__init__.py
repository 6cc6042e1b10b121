"""Compiled networks as a service: the Open Inference Protocol over HTTP and gRPC."""

from lithify.server.serve import Served, serve

__all__ = ["Served", "serve"]
