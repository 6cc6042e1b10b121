"""Several chips for networks: the cluster, how work is shared out, when each request is answered, a chip that fails."""

from lithify.cluster.choice import Choice, again, plan
from lithify.cluster.description import Cluster, load_cluster
from lithify.cluster.parallel import Plan, Whole, data_parallel, pipeline, whole_of
from lithify.cluster.recovery import Recovery, failed
from lithify.cluster.task import TaskPlan, task_parallel
from lithify.cluster.tensor import TensorPlan, tensor_parallel

__all__ = [
    "Choice",
    "Cluster",
    "Plan",
    "Recovery",
    "TaskPlan",
    "TensorPlan",
    "Whole",
    "again",
    "data_parallel",
    "failed",
    "load_cluster",
    "pipeline",
    "plan",
    "task_parallel",
    "tensor_parallel",
    "whole_of",
]
