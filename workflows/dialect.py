"""Our BPMN dialect: the namespaces and the attributes that the engine understands.

Everything is a plain attribute, so that bpmn-js keeps it; only ``hub:input`` is an extension element.
"""

from __future__ import annotations

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMNDI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DI = "http://www.omg.org/spec/DD/20100524/DI"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HUB = "urn:ozg-hub:bpmn:1"

FOREIGN = {
    "http://camunda.org/schema/1.0/bpmn": "Camunda 7",
    "http://activiti.org/bpmn": "Activiti/Flowable",
    "http://flowable.org/bpmn": "Flowable",
    "http://camunda.org/schema/zeebe/1.0": "Camunda 8",
    "http://spiffworkflow.org/bpmn/schema/1.0/core": "SpiffArena",
}
"""Namespaces of other engines; their attributes and elements carry meaning that we would silently drop."""

HARMLESS = {"modelerTemplate", "modelerTemplateVersion", "modelerTemplateIcon", "historyTimeToLive", "versionTag",
            "candidateStarterGroups", "isStartableInTasklist", "asyncBefore", "asyncAfter", "exclusive",
            "jobPriority", "taskPriority", "diagramRelationId"}  # fmt: skip
"""Foreign attributes that change nothing about the way of a case."""

READ_ONLY = frozenset({"application", "case", "data"})
"""Names that an expression may read and no model may write."""

ATTRIBUTES = {
    "userTask": {"form", "role", "variables", "due", "notBy", "department"},
    "serviceTask": {"connector", "operation", "variables"},
    "sendTask": {"notice", "document", "variables"},
    "receiveTask": {"variables"},
    "intermediateCatchEvent": {"variables"},
    "boundaryEvent": {"variables"},
    "businessRuleTask": {"decision", "result"},
    "scriptTask": {"result"},
    "timerEventDefinition": {"deadline"},
    "process": {"version"},
}
"""Which of our attributes may stand where; anything else in our namespace is a typing error and refused."""


def hub(name: str) -> str:
    """Qualified name of one of our attributes."""
    return f"{{{HUB}}}{name}"


def bpmn(name: str) -> str:
    return f"{{{BPMN}}}{name}"
