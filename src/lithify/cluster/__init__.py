"""Several chips for a network: the cluster, the network cut into stages, and when each request is answered."""

from lithify.cluster.description import Cluster, load_cluster
from lithify.cluster.parallel import Plan, data_parallel, pipeline

__all__ = ["Cluster", "Plan", "data_parallel", "load_cluster", "pipeline"]
