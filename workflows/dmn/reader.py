"""DMN XML (1.1 to 1.5, any of their namespaces) to decisions. Every fault is collected, none stops the reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from workflows.contract import ModelError, ModelFault
from workflows.dmn.decisions import Decision, Decisions
from workflows.dmn.table import AGGREGATIONS, POLICIES, Input, Output, Rule, Table
from workflows.document import read_xml
from workflows.feel import Expression, ExpressionError, Tests, expression, unary_tests

_DMN = re.compile(r"https?://www\.omg\.org/spec/DMN/\d{8}/|https://www\.omg\.org/spec/DMN/")
_NAME = re.compile(r"[^\W\d]\w*")


def read(files: Mapping[str, bytes]) -> tuple[Decisions, list[ModelFault]]:
    """All decisions of the files and every fault."""
    reader = _Reader()
    for file, data in sorted(files.items()):
        reader.file(file, data)
    reader.requirements()
    return Decisions(reader.found), reader.faults


def is_dmn(root: Any) -> bool:
    name = etree.QName(root)
    return name.localname == "definitions" and bool(_DMN.match(name.namespace or ""))


def _local(node: Any) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _children(node: Any, *names: str) -> list[Any]:
    return [child for child in node if _local(child) in names]


def _text(node: Any, name: str = "text") -> str:
    found = _children(node, name)
    return "".join(found[0].itertext()).strip() if found else ""


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, Decision] = {}
        self.faults: list[ModelFault] = []
        self._file = ""

    def fault(self, node: Any, element: str, code: str, message: str, remedy: str = "") -> None:
        self.faults.append(ModelFault(element, node.sourceline, code, message, remedy, self._file))

    def file(self, file: str, data: bytes) -> None:
        self._file = file
        try:
            root = read_xml(data, file)
        except ModelError as error:
            self.faults += error.faults
            return
        if not is_dmn(root):
            self.fault(root, "", "dmn.no-dmn", "Die Datei ist kein DMN.", "Das Modell als DMN 1.3 XML speichern.")
            return
        for node in _children(root, "businessKnowledgeModel", "decisionService"):
            self.fault(node, node.get("id", ""), "dmn.unsupported", f"„{_local(node)}“ wird nicht unterstützt.",
                       "Die Regel als Entscheidungstabelle oder Ausdruck schreiben.")  # fmt: skip
        for node in _children(root, "decision"):
            self._decision(node)

    def _decision(self, node: Any) -> None:
        decision_id, name = node.get("id", ""), node.get("name") or node.get("id", "")
        if decision_id in self.found:
            self.fault(node, decision_id, "dmn.double", f"Die Entscheidung „{decision_id}“ gibt es zweimal.")
            return
        logic = self._logic(node, decision_id, name)
        if logic is None:
            return
        variables = [child.get("name", "") for child in _children(node, "variable")]
        names = tuple(dict.fromkeys(each for each in (*variables, name, decision_id) if _NAME.fullmatch(each)))
        requires = tuple(
            reference.get("href", "").rsplit("#", 1)[-1]
            for requirement in _children(node, "informationRequirement")
            for reference in _children(requirement, "requiredDecision")
        )
        self.found[decision_id] = Decision(decision_id, name, names, logic, requires, self._file, node.sourceline)

    def requirements(self) -> None:
        decisions = Decisions(self.found)
        for decision in list(self.found.values()):
            for missing in [each for each in decision.requires if each not in self.found]:
                text = f"Die Entscheidung „{decision.name}“ braucht „{missing}“, das fehlt oder fehlerhaft ist."
                self.faults.append(ModelFault(decision.id, decision.line, "dmn.missing", text, "", decision.file))
        for decision in decisions.cycles():
            text = f"Die Entscheidung „{decision.name}“ braucht ihr eigenes Ergebnis (Kreis)."
            self.faults.append(ModelFault(decision.id, decision.line, "dmn.cycle", text, "", decision.file))

    def _logic(self, node: Any, element: str, name: str) -> Table | Expression | None:
        for child in node:
            if _local(child) == "decisionTable":
                return self._table(child, element, name)
            if _local(child) == "literalExpression":
                return self._expression(child, _text(child), element, f"Entscheidung „{name}“")
            if _local(child) in ("context", "invocation", "relation", "list", "functionDefinition", "conditional",
                                 "filter", "for", "some", "every"):  # fmt: skip
                self.fault(child, element, "dmn.unsupported", f"Ausdrucksform „{_local(child)}“ fehlt noch.",
                           "Als Entscheidungstabelle oder FEEL-Ausdruck schreiben.")  # fmt: skip
                return None
        self.fault(node, element, "dmn.empty", f"Die Entscheidung „{name}“ hat keine Logik.")
        return None

    def _table(self, node: Any, element: str, name: str) -> Table | None:
        policy = (node.get("hitPolicy") or "UNIQUE").upper().replace("_", " ")
        aggregation = (node.get("aggregation") or "").upper()
        if policy not in POLICIES or aggregation not in AGGREGATIONS:
            self.fault(node, element, "dmn.hit-policy", f"Die Trefferregel {policy} {aggregation} fehlt noch.",
                       "UNIQUE, FIRST, ANY, COLLECT oder RULE ORDER verwenden.")  # fmt: skip
            return None
        before = len(self.faults)
        inputs = [self._input(child, element, name) for child in _children(node, "input")]
        outputs = [self._output(child, element, name, at) for at, child in enumerate(_children(node, "output"), 1)]
        rules = [self._rule(child, number, element, name, len(inputs), len(outputs))
                 for number, child in enumerate(_children(node, "rule"), 1)]  # fmt: skip
        if aggregation and len(outputs) > 1:
            self.fault(node, element, "dmn.aggregation", f"COLLECT {aggregation} erlaubt nur eine Ausgabe.")
        if len(self.faults) > before:
            return None
        good_inputs = tuple(item for item in inputs if item is not None)
        return Table(name, policy, aggregation, good_inputs, tuple(outputs), tuple(rule for rule in rules if rule))

    def _input(self, node: Any, element: str, table: str) -> Input | None:
        found = _children(node, "inputExpression")
        source = _text(found[0]) if found else ""
        label = node.get("label") or source
        compiled = self._expression(node, source, element, f"Tabelle „{table}“, Eingabe „{label}“")
        return Input(label, compiled) if compiled else None

    def _output(self, node: Any, element: str, table: str, at: int) -> Output:
        name = node.get("name") or node.get("label") or f"output{at}"
        default = _children(node, "defaultOutputEntry")
        source = _text(default[0]) if default else ""
        place = f"Tabelle „{table}“, Vorgabewert „{name}“"
        compiled = self._expression(node, source, element, place) if source else None
        return Output(name, node.get("label") or name, compiled)

    def _rule(self, node: Any, number: int, element: str, table: str, inputs: int, outputs: int) -> Rule | None:
        cells, results = _children(node, "inputEntry"), _children(node, "outputEntry")
        if len(cells) != inputs or len(results) != outputs:
            self.fault(
                node, element, "dmn.cells", f"Tabelle „{table}“, Regel {number}: die Zahl der Zellen passt nicht."
            )
            return None
        place = f"Tabelle „{table}“, Regel {number}"
        tests = [self._tests(cell, element, f"{place}, Eingabe {at}") for at, cell in enumerate(cells, 1)]
        outs = [self._expression(cell, _text(cell), element, f"{place}, Ausgabe {at}") if _text(cell) else None
                for at, cell in enumerate(results, 1)]  # fmt: skip
        return Rule(number, tuple(test for test in tests if test), tuple(outs))

    def _tests(self, node: Any, element: str, place: str) -> Tests | None:
        return self._compiled(unary_tests, node, _text(node), element, place)  # type: ignore[no-any-return]

    def _expression(self, node: Any, source: str, element: str, place: str) -> Expression | None:
        return self._compiled(expression, node, source, element, place)  # type: ignore[no-any-return]

    def _compiled(self, compile_it: Any, node: Any, source: str, element: str, place: str) -> Any:
        foreign = next((child.get("expressionLanguage") for child in (node, *node)
                        if hasattr(child, "get") and child.get("expressionLanguage")), "")  # fmt: skip
        if foreign and "feel" not in foreign.lower() and "DMN" not in foreign:
            self.fault(node, element, "dmn.language", f"{place}: die Sprache „{foreign}“ wird nicht ausgeführt.",
                       "Den Ausdruck in FEEL schreiben.")  # fmt: skip
            return None
        try:
            return compile_it(source)
        except ExpressionError as error:
            self.fault(node, element, "feel.syntax", f"{place}: {error}", "Den FEEL-Ausdruck berichtigen.")
            return None
