"""What a build costs and why: as numbers, as a terminal's tables, as JSON."""

from lithify.report.summary import FILE, Accuracy, Report, Verified, load_report

__all__ = ["FILE", "Accuracy", "Report", "Verified", "load_report"]
