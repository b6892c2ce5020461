"""Files, view and Chroma compared: what `savia index verify` reports.

compare(view, plan, store).sound
"""

from dataclasses import dataclass

import numpy as np

from retrieval.plan import Plan
from retrieval.store import PassageStore
from retrieval.view import View


@dataclass(frozen=True)
class VerifyReport:
    """Comparison of files, view and Chroma; all zero (and `faults` empty) when the index is sound."""

    files: int
    passages: int
    rows: int
    missing: int
    orphans: int
    duplicates: int
    outdated: int
    faults: list[str]

    @property
    def sound(self) -> bool:
        return not (self.missing or self.orphans or self.duplicates or self.outdated or self.faults)


def compare(view: View, plan: Plan, store: PassageStore | None) -> VerifyReport:
    """Count what is missing in Chroma, what no view knows, what stands twice, and documents that changed since."""
    with_vector = {f"{int(number):016x}" for number in np.asarray(view.ids)[np.asarray(view.vector_rows) >= 0]}
    stored = store.ids() if store else set()
    count = store.count() if store else 0
    return VerifyReport(
        files=len(plan.files),
        passages=len(view),
        rows=count,
        missing=len(with_vector - stored),
        orphans=len(stored - with_vector),
        duplicates=len(view) - len(np.unique(view.ids)) + max(0, count - len(stored)),
        outdated=len(plan.read) + plan.counts["deleted"],
        faults=_view_faults(view),
    )


def _view_faults(view: View) -> list[str]:
    """Passages whose text is not what their span says are found by comparing lengths; cheap and complete enough."""
    if len(view.texts) != len(view) or len(view.ids) != len(view):
        return ["the view's files disagree about the number of passages"]
    if view.state != "lexical" and len(view) and int(view.vector_rows.max()) >= view.meta["pool"]["rows"]:
        return ["the view points beyond the end of the vector pool"]
    return []
