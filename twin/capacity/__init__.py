"""Which deployment type fits a workload, from the numbers of both."""

from twin.capacity.advice import Advice, Assessment, advise
from twin.capacity.workload import Workload, WorkloadError

__all__ = ["Advice", "Assessment", "Workload", "WorkloadError", "advise"]
