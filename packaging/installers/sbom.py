"""The bill of materials in the form CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.

The same content gives the same text: the serial number is made from the components, the time is
that of the commit.
"""

import json
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from installers.components import Component
from installers.file_list import ListedFile
from installers.project import Project

_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def document(
    project: Project,
    components: Iterable[Component],
    models: Iterable[ListedFile],
    epoch: int,
) -> dict[str, object]:
    """The bill: the program, its components, and the weights of the models that ship with it."""
    own = f"pkg:generic/{project.name}@{project.version}"
    listed = [_component(item) for item in components] + [_weights(item) for item in models]
    names = json.dumps(listed, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + names)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project.name,
                "version": project.version,
                "description": project.summary,
                "purl": own,
                "licenses": [{"expression": project.licence}],
            },
        },
        "components": listed,
        "dependencies": [
            {"ref": own, "dependsOn": sorted(str(item["bom-ref"]) for item in listed)}
        ],
    }


def text_of(bill: dict[str, object]) -> str:
    """The bill as a file."""
    return json.dumps(bill, indent=2, ensure_ascii=False) + "\n"


def _component(item: Component) -> dict[str, object]:
    told: dict[str, object] = {
        "type": "application" if item.kind == "generic" else "library",
        "bom-ref": item.purl,
        "name": item.name,
        "version": item.version,
        "purl": item.purl,
    }
    if not item.licence.startswith("see "):
        told["licenses"] = [_licence(item.licence)]
    return told


def _licence(name: str) -> dict[str, object]:
    """An SPDX expression where it reads as one with an operator, else the name as it is told."""
    if _EXPRESSION.fullmatch(name) and " " in name:
        return {"expression": name}
    return {"license": {"name": name}}


def _weights(item: ListedFile) -> dict[str, object]:
    return {
        "type": "machine-learning-model" if item.path.endswith(".safetensors") else "data",
        "bom-ref": f"file:{item.path}",
        "name": item.path,
        "hashes": [{"alg": "SHA-256", "content": item.digest}],
    }
