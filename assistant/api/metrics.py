"""What Prometheus reads at /metrics, in a registry of the app's own.

metrics.answered("herbolaria", "extractive", "answered", first=0.02)
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        make = self._registry
        self._requests = Counter(
            "savia_requests", "Requests by route and status.", ["method", "route", "status"], registry=make
        )
        self._seconds = Histogram(
            "savia_request_seconds", "Time until a response was complete.", ["route"], buckets=SECONDS, registry=make
        )
        self._answers = Counter(
            "savia_answers", "Answers by domain, backend and outcome.", ["domain", "backend", "outcome"], registry=make
        )
        self._first = Histogram(
            "savia_first_piece_seconds", "Time until an answer began.", ["backend"], buckets=SECONDS, registry=make
        )
        self.running = Gauge("savia_answers_running", "Answers that are being written.", registry=make)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, domain: str, backend: str, outcome: str, first: float) -> None:
        """One answer's end; `first` in seconds."""
        self._answers.labels(domain, backend, outcome).inc()
        self._first.labels(backend).observe(first)

    def text(self) -> bytes:
        return generate_latest(self._registry)
