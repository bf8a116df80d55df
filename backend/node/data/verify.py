"""See whether token files are whole and can be trained on: index, ids, labels and masks."""

from __future__ import annotations

import os
from gettext import gettext as _
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from backend.node.data import id_range
from backend.node.data.aligned import check_labels
from backend.node.data.findings import Findings
from backend.node.data.index_faults import BIN, Index, find_faults, read_index
from backend.node.data.indexed import IndexedDataset
from backend.node.data.recorded import changed_files
from backend.node.data.token_sets import TokenSet, find_sets, halves
from backend.node.job_lines import JobError

Tell = Callable[[int, int], None]

_SAMPLES = ("", "chosen_", "rejected_")
MASK = "attention_mask"


class _Opened(NamedTuple):
    """A pair whose index holds: `report` is its entry in the result."""

    found: TokenSet
    data: IndexedDataset
    report: Dict[str, Any]


def verify(
    prefix: str, vocabulary: Optional[int] = None, tell_progress: Optional[Tell] = None
) -> Dict[str, Any]:
    """Check every pair under `prefix` (a preprocessing prefix or one pair's own).

    `vocabulary`: ids must be below it (None: only not negative); `tell_progress(done, total)` gets bytes.
    The files are mapped and read in pieces. Raises JobError (field "prefix") when there are no such files,
    OSError. All numbers of documents, sequences and positions count from 0, as `show` takes them. Returns

    - "prefix": as given; "sound": bool, no finding; "vocabulary": int or None; "bytes": read;
    - "sets": one dict a pair: "path" (without .bin/.idx), "key", "packed", "dtype" ("int32"), "bytes" (of
      the .bin), "sequences", "documents", "tokens", "smallest", "largest" (ids, None without tokens), and for
      labels "trained" (labels that are not -100) and "untrained_sequences" (those with no such label). A pair
      whose index is broken has "path", "key", "packed" only;
    - "findings": dicts of "file" (the path that is wrong), "document", "sequence", "position" (int or None
      each; position of the token in its sequence), "what" (a sentence);
    - "found": how many findings there are: of each kind in each file only the first few are listed.
    """
    sets = find_sets(prefix)
    findings = Findings()
    opened = [one for one in (_open(found, findings) for found in sets) if one is not None]
    pace = _Pace(tell_progress, sum(2 * one.data.tokens.nbytes for one in opened))
    for one in opened:
        id_range.check(one.found, one.data, vocabulary, one.report, findings, pace.tell)
    _check_packed([one for one in sets if one.packed], opened, findings, pace)
    for one in opened:
        for file, written, present in changed_files(one.found.path):
            what = _("it has changed since it was written: CRC-32 {present}, recorded {written}")
            findings.add("changed", file, what.format(present=present, written=written))
    pace.finish()
    reports = {one.found.path: one.report for one in opened}
    return {
        "prefix": prefix,
        "sound": findings.total == 0,
        "vocabulary": vocabulary,
        "bytes": sum(one.data.tokens.nbytes for one in opened),
        "sets": [{**_name(found), **reports.get(found.path, {})} for found in sets],
        "findings": findings.listed,
        "found": findings.total,
    }


class _Pace:
    """Bytes looked at, each pair twice: alone, and beside the others of its sample."""

    def __init__(self, tell: Optional[Tell], total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = 0

    def tell(self, size: int) -> None:
        self._done = min(self._total, self._done + size)
        if self._tell:
            self._tell(self._done, self._total)

    def finish(self) -> None:
        self.tell(self._total)


def _name(found: TokenSet) -> Dict[str, Any]:
    return {"path": found.path, "key": found.key, "packed": found.packed}


def _open(found: TokenSet, findings: Findings) -> Optional[_Opened]:
    there = halves(found.path)
    if len(there) < 2:
        missing = found.path + (".idx" if there and there[0].endswith(".bin") else ".bin")
        findings.add(
            "half", missing, _("it is missing beside its other half: the pair was not written whole")
        )
        return None
    try:
        index = read_index(found.path)
    except JobError as error:
        findings.add("index", found.path + ".idx", f"{error.what}: {error.why}" if error.why else error.what)
        return None
    if not _index_holds(found.path, index, findings):
        return None
    data = IndexedDataset(found.path)
    report = {
        "dtype": str(data.tokens.dtype.newbyteorder("=")),
        "bytes": int(data.tokens.nbytes),
        "sequences": len(data),
        "documents": len(data.documents) - 1,
        "tokens": len(data.tokens),
    }
    return _Opened(found, data, report)


def _index_holds(path: str, index: Index, findings: Findings) -> bool:
    size = os.path.getsize(path + ".bin")
    holds = True
    for fault in find_faults(index, size):
        holds = False
        file = path + (".bin" if fault.file == BIN else ".idx")
        findings.add("index", file, fault.what, fault.document, fault.sequence)
    return holds


def _check_packed(sets: List[TokenSet], opened: List[_Opened], findings: Findings, pace: _Pace) -> None:
    """The outputs of one sample beside each other; nothing is said about those whose index is broken."""
    if len(sets) < 2:
        return
    by_key = {one.found.key: one for one in opened if one.found.packed}
    names = {found.key for found in sets}
    counted = list(by_key.values())
    for one in counted[1:]:
        if len(one.data) != len(counted[0].data):
            what = _("it has {count:,} sequences, {other} has {expected:,}").format(
                count=len(one.data), other=counted[0].found.path, expected=len(counted[0].data)
            )
            findings.add("count", one.found.path + ".idx", what)
            return
    for sample in _SAMPLES:
        ids, labels = sample + "input_ids", sample + "labels"
        if (ids in names) != (labels in names):
            present, absent = (ids, labels) if ids in names else (labels, ids)
            path = next(found.path for found in sets if found.key == present)
            findings.add(
                "key", path + ".bin", _("there are no {absent} that belong to it").format(absent=absent)
            )
        elif ids in by_key and labels in by_key:
            mask = by_key.get(MASK) if not sample else None
            check_labels(
                (by_key[ids].found.path, by_key[ids].data),
                (by_key[labels].found.path, by_key[labels].data),
                (mask.found.path, mask.data) if mask else None,
                by_key[labels].report,
                findings,
                pace.tell,
            )
