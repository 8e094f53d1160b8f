"""The gate for HTTP contracts: compares today's OpenAPI documents with the golden ones under version control."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from contracts.findings import Finding
from contracts.gate import Verdict
from contracts.golden_files import read_golden, write_golden
from contracts.http.compatibility import find_breaking_changes
from contracts.http.references import Document
from contracts.normal_form import canonical_json

GOLDEN_DOCUMENTS = Path(__file__).parent
VERDICTS = {
    Verdict.AGREES: "agrees",
    Verdict.NEW: "new: no golden document yet",
    Verdict.CHANGED: "changed compatibly; its golden document is not updated yet",
    Verdict.BREAKS: "breaks its contract",
    Verdict.UNREADABLE: "its golden document can't be read",
}
MAX_PLACES = 5
"""The number of places that are listed for one change. A change of a shared schema is found at many."""


@dataclass(frozen=True)
class ApiReview:
    """The verdict on the HTTP API of one service."""

    service: str
    document: Document | None
    """None if only a golden document is left."""
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def review_apis(documents: Mapping[str, Document], folder: Path = GOLDEN_DOCUMENTS) -> list[ApiReview]:
    """Return one review per service and per golden document without a service, sorted by name."""
    reviews = {name: _review(name, document, folder / f"{name}.json") for name, document in documents.items()}
    gone = Finding("the API", "service removed", "deployed clients call it")
    for file in folder.glob("*.json"):
        reviews.setdefault(file.stem, ApiReview(file.stem, None, Verdict.BREAKS, (gone,)))
    return [reviews[name] for name in sorted(reviews)]


def write_golden_documents(reviews: Iterable[ApiReview], folder: Path = GOLDEN_DOCUMENTS) -> list[Path]:
    """Write the golden documents of new services and of compatible changes, and no others. Returns the files."""
    written: list[Path] = []
    for each in reviews:
        if each.document is not None and each.verdict in (Verdict.NEW, Verdict.CHANGED):
            file = folder / f"{each.service}.json"
            write_golden(file, each.document)
            written.append(file)
    return written


def explain_api(review: ApiReview) -> str:
    """Return, for people, what is wrong and what to do about it."""
    lines = [f"HTTP API of {review.service}: {VERDICTS[review.verdict]}"]
    by_change = sorted(review.findings, key=_change)
    for _, group in groupby(by_change, _change):
        findings = list(group)
        *others, last = findings[:MAX_PLACES]
        rest = len(findings) - MAX_PLACES
        lines += [f"    {each.path}," for each in others]
        lines.append(f"    {last.path}{f' and {rest} more' if rest > 0 else ''}: {last.change}")
        lines.append(f"        {last.why}")
    if review.verdict is not Verdict.AGREES:
        lines += ["  What to do:", *(f"    {line}" for line in _remedy(review))]
    return "\n".join(lines)


def _change(finding: Finding) -> tuple[str, str, str]:
    return finding.path.rpartition(".")[2] if "." in finding.path else "", finding.change, finding.why


def _remedy(review: ApiReview) -> list[str]:
    file = f"contracts/http/{review.service}.json"
    if review.document is None:
        return [
            "Put the service back, and its name in pyproject.toml.",
            f"Once no client calls it, delete {file}, too.",
        ]
    match review.verdict:
        case Verdict.BREAKS:
            return [
                f"1. Give the route its old form again, which is in {file}.",
                "2. Serve the new form as another route, below /v2 (POST /v2/products beside POST /products).",
                "3. Mark the old route as deprecated (deprecated=True), and run `python -m contracts write`.",
                f"4. Remove the old route when no client calls it any more, together with its part of {file}.",
                "CONTRIBUTING.md (Change an HTTP API) says which changes need no new route.",
            ]
        case Verdict.UNREADABLE:
            return [f"Restore {file} from version control."]
        case _:
            return [f"Run `python -m contracts write` and commit {file}."]


def _review(service: str, new: Document, file: Path) -> ApiReview:
    if not file.exists():
        return ApiReview(service, new, Verdict.NEW)
    try:
        old = read_golden(file)
        if _without_release(old) == _without_release(new):
            return ApiReview(service, new, Verdict.AGREES)
        findings = tuple(find_breaking_changes(old, new))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        unreadable = Finding("the API", f"not an OpenAPI document: {error!r}", "nothing can be compared with it")
        return ApiReview(service, new, Verdict.UNREADABLE, (unreadable,))
    return ApiReview(service, new, Verdict.BREAKS if findings else Verdict.CHANGED, findings)


def _without_release(document: Document) -> str:
    """Return a document as text without the version of the application, which changes with every release."""
    about = {key: each for key, each in document.get("info", {}).items() if key != "version"}
    return canonical_json({**document, "info": about})
