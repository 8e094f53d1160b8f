"""The gate accepts today's HTTP APIs. A failure here is one that `python -m contracts check` reports."""

from pathlib import Path

import pytest

from contracts.gate import Verdict
from contracts.http.gate import GOLDEN_DOCUMENTS, ApiReview, explain_api, review_apis
from infra.stack import services_of
from marketplace_runtime.service import load_services, openapi_of

SERVICES = services_of(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def reviews() -> dict[str, ApiReview]:
    documents = {each.name: openapi_of(each) for each in load_services(SERVICES)}
    return {each.service: each for each in review_apis(documents)}


@pytest.mark.parametrize("service", SERVICES)
def test_the_http_api_of_a_service_agrees_with_its_golden_document(reviews: dict[str, ApiReview], service: str) -> None:
    assert reviews[service].verdict is Verdict.AGREES, "\n" + explain_api(reviews[service])


def test_there_is_one_golden_document_for_each_service() -> None:
    assert {file.stem for file in GOLDEN_DOCUMENTS.glob("*.json")} == set(SERVICES)
