"""Compare tables of fields in the docs with the models that they describe."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def check_table(document: Path, model: type[BaseModel]) -> None:
    """Assert that a document has every field as the model describes it; with REWRITE_GOLDEN, write the table first."""
    text = document.read_text("utf-8")
    if os.environ.get("REWRITE_GOLDEN"):
        start, end = _described(document, text, model).span()
        rest = text[end:] if end > start else "\n" + text[end:]
        document.write_text(text[:start] + _table(model) + "\n" + rest, "utf-8")
        text = document.read_text("utf-8")
    assert _described(document, text, model)[0].strip() == _table(model)


def _described(document: Path, text: str, model: type[BaseModel]) -> re.Match[str]:
    found = re.search(rf"(?<=<!-- fields: {model.__name__} -->\n\n)(\|.*\n)*", text)
    assert found, f"docs/{document.name} does not say where the fields of {model.__name__} are"
    return found


def _type_name(schema: dict[str, Any]) -> str:
    """Return the type of a field in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_type_name(each) for each in schema["anyOf"])
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    if "$ref" in schema:
        return f"[{_words(schema['$ref'])}](#{_words(schema['$ref']).replace(' ', '-')})"
    if schema.get("format") == "date-time":
        return "time"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems", [schema.get("items")])
        return f"list of {'' if 'items' in schema else f'{len(items)} × '}{_type_name(items[0])}"
    plain = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
    }
    return plain.get(schema.get("type", ""), "object" if schema.get("type") == "object" else "anything")


def _words(reference: str) -> str:
    named = {
        "ShotEntry": "shot",
        "TakeEntry": "take",
        "PassEntry": "pass",
        "BindingEntry": "binding",
        "InputPicture": "input picture",
    }
    name = reference.rpartition("/")[2]
    return named.get(name, name.lower())


def _table(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_type_name(field)} | {field['description']} |"
        for name, field in model.model_json_schema(by_alias=True)["properties"].items()
    ]
    return "\n".join(["| field | type | meaning |", "| --- | --- | --- |", *rows])
