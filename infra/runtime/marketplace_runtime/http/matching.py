"""Validates text against a pattern. Clients get a sentence as the error; the OpenAPI document has the pattern."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Matching:
    """Requires text to match `pattern`: `Annotated[str, Field(max_length=9), Matching(pattern, sentence)]`.

    Other text is refused with `sentence`. Write it after a Field, so that the limits of the Field are checked first.
    """

    pattern: str
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def validate(self, text: str) -> str:
        """Return `text`. Raises ValueError with the sentence unless the whole text matches the pattern."""
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise ValueError(self.sentence)
        return text
