"""A client made of an OpenAPI document alone: a method for each operation, what it is given and answered validated."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import jsonschema


class ProblemError(Exception):
    """What the server refuses; `told` are its problem details."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(told["detail"])
        self.told = told


class Client:
    """`client.estimate(model=..., gpu=...)` for the operationId "estimate"; arguments the document does not have are a TypeError."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.document = json.loads(self._fetched("GET", "/api/v1/openapi.json")[1])
        self.operations = {
            told["operationId"]: (method.upper(), path, told)
            for path, methods in self.document["paths"].items()
            for method, told in methods.items()
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.operations:
            raise AttributeError(name)
        return lambda **arguments: self._call(*self.operations[name], arguments)

    def _call(self, method: str, path: str, told: Mapping[str, Any], arguments: dict[str, Any]) -> Any:
        if "requestBody" in told:
            schema = told["requestBody"]["content"]["application/json"]["schema"]
            self._validate(arguments, schema)
            status, raw, kind = self._fetched(method, path, json.dumps(arguments))
        else:
            known = {one["name"]: one for one in map(self._resolved, told["parameters"])}
            if unknown := arguments.keys() - known.keys():
                raise TypeError(f"no parameter {unknown}")
            query = urlencode({name: self._spelled(value, known[name]) for name, value in arguments.items()})
            status, raw, kind = self._fetched(method, f"{path}?{query}")
        told_of = told["responses"].get(str(status)) or told["responses"][f"{status // 100}XX"]
        answer = json.loads(raw)
        self._validate(answer, told_of["content"][kind]["schema"])
        if status != 200:
            raise ProblemError(answer)
        return answer

    def _spelled(self, value: Any, parameter: Mapping[str, Any]) -> str:
        schema = parameter["schema"]
        if schema.get("contentMediaType") == "application/json":
            self._validate(value, schema["contentSchema"])
            return json.dumps(value)
        self._validate(value, schema)
        if isinstance(value, list):
            assert (parameter["style"], parameter["explode"]) == ("form", False)
            return ",".join(map(str, value))
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _resolved(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in one:
            return one
        found = self.document
        for part in one["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _validate(self, value: Any, schema: Mapping[str, Any]) -> None:
        jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)

    def _fetched(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        return response.status, raw, (response.getheader("Content-Type") or "").partition(";")[0]
