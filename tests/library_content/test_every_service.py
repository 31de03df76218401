"""What a department may rely on for every service: complete, consistent, drawn, and proven by scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pytest

from hub.library.profile import Form
from hub.library.samples import read_application
from tests.library_content.conftest import Service
from workflows import scenarios
from workflows.dialect import BPMNDI, HUB
from workflows.feel import expression
from xoev import safe, validate

PEOPLE = re.compile(r"\b(Herr|Frau) [A-ZÄÖÜ][a-zäöüß]+")
PLACEHOLDER = re.compile(r"\{=(.*?)\}", re.S)
INVENTED = re.compile(r"\b(TODO|FIXME|XXX|lorem)\b", re.I)


def answers_of(form: Form) -> set[str]:
    return {field.name for field in form.fields} | {form.submit.name}


class TestTheProfile:
    def test_folder_id_and_leika_id_agree(self, service: Service) -> None:
        profile = service.process.profile
        assert profile.id == service.folder.name
        assert profile.leika is None or profile.id.startswith(f"{profile.leika}-")

    def test_owner_deputy_and_guide_are_different_functions_and_no_persons(self, service: Service) -> None:
        profile = service.process.profile
        functions = [profile.owner.function, profile.deputy.function, profile.guide.function]
        assert len(set(functions)) == 3
        assert not [function for function in functions if PEOPLE.search(function)]

    def test_it_says_why_it_is_built_so_and_when_it_is_looked_at_again(self, service: Service) -> None:
        profile = service.process.profile
        assert len(profile.summary) > 300
        assert profile.review_on > max(change.date for change in profile.changelog)
        assert profile.changelog[-1].version == profile.version or profile.changelog[0].version == profile.version
        assert all(basis.source for basis in profile.legal_basis)
        assert profile.guide_notes

    def test_every_deadline_names_its_legal_basis_and_validity(self, service: Service) -> None:
        deadlines = service.process.profile.deadlines
        assert deadlines
        assert len({deadline.id for deadline in deadlines}) == len(deadlines)
        assert all(rule.legal_basis and rule.valid_from <= date.today() for rule in deadlines)

    def test_its_expressions_compile(self, service: Service) -> None:
        profile = service.process.profile
        intake, filing = profile.intake, profile.filing
        titles = [intake.subject, filing.file.title, filing.transaction.title]
        for text in filter(None, [intake.applicant.name, intake.applicant.protected, *titles]):
            expression(text)


class TestTheModel:
    def test_every_element_has_a_german_caption_and_an_english_id(self, service: Service) -> None:
        for element in service.document.elements():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", element.id), element.id
            assert element.name or element.tag.endswith("Gateway"), f"{element.id} hat keinen Namen"

    def test_every_element_is_drawn(self, service: Service) -> None:
        drawn = {shape.get("bpmnElement") for shape in service.document.root.iter(f"{{{BPMNDI}}}BPMNShape")}
        assert {element.id for element in service.document.elements()} <= drawn

    def test_every_task_finds_its_form_and_gets_its_answers_there(self, service: Service) -> None:
        used = set()
        for task in service.of("userTask"):
            used.add(task.hub("form"))
            form = service.process.form(task.hub("form"))
            assert set(task.words("variables")) <= answers_of(form), task.id
        assert used == set(service.yaml_files("forms")), "Formulare ohne Aufgabe oder umgekehrt"

    def test_every_message_finds_its_template(self, service: Service) -> None:
        used = {task.hub("notice") for task in service.of("sendTask")}
        assert used == set(service.yaml_files("notices")), "Vorlagen ohne Schritt oder umgekehrt"
        for name in used:
            service.process.notice(name)

    def test_every_delivery_uses_a_declared_connector_and_operation(self, service: Service) -> None:
        roles = service.process.profile.connectors
        assert "reply" in roles or not service.of("sendTask")
        used = {(task.hub("connector"), task.hub("operation")) for task in service.of("serviceTask")}
        declared = {(role, operation) for role, wanted in roles.items() for operation in wanted.operations}
        assert used == declared

    def test_every_timer_that_follows_a_deadline_finds_it(self, service: Service) -> None:
        known = {deadline.id for deadline in service.process.profile.deadlines}
        named = {node.get(f"{{{HUB}}}deadline") for node in service.document.root.iter() if isinstance(node.tag, str)}
        assert named - {None} <= known

    def test_every_ending_is_filed(self, service: Service) -> None:
        assert any(task.hub("operation") == "file" for task in service.of("serviceTask"))


class TestFormsAndNotices:
    def test_every_condition_of_a_form_asks_for_a_field_of_it(self, service: Service) -> None:
        for name in service.yaml_files("forms"):
            form = service.process.form(name)
            for field in form.fields:
                assert (field.type == "choice") == bool(field.choices), f"{name}: {field.name}"
                if field.show_when:
                    assert expression(field.show_when).names <= answers_of(form) | {"application", "case", "data"}

    def test_every_placeholder_of_a_notice_compiles(self, service: Service) -> None:
        for name in service.yaml_files("notices"):
            template = service.process.notice(name)
            texts = [*template.paragraphs, *(str(field["value"]) for field in template.fields)]
            assert template.paragraphs
            for text in placeholders(texts):
                expression(text)

    def test_nothing_is_left_to_be_written(self, service: Service) -> None:
        for path in sorted(service.folder.rglob("*.yaml")):
            assert not INVENTED.search(path.read_text()), path


class TestSamples:
    def test_there_are_several_and_one_is_large(self, service: Service) -> None:
        samples = service.yaml_files("samples")
        assert len(samples) >= 3
        assert max((service.folder / "samples" / sample["body"]).stat().st_size for sample in samples.values()) > 1500

    def test_every_body_is_described_and_keeps_its_schema(self, service: Service) -> None:
        described = set()
        for name, sample in service.yaml_files("samples").items():
            body = service.folder / "samples" / sample["body"]
            described.add(body.name)
            assert sample["service"] == service.folder.name
            assert sample["media_type"] in service.process.profile.intake.media_types
            assert not faults_of(service, body.read_bytes()), name
        bodies = {path.name for path in (service.folder / "samples").iterdir() if path.suffix in {".json", ".xml"}}
        attached = {item["file"] for sample in service.yaml_files("samples").values()
                    for item in sample.get("attachments", ()) if "file" in item}  # fmt: skip
        assert bodies - attached == described

    def test_applicant_and_subject_can_be_read_from_each(self, service: Service) -> None:
        intake = service.process.profile.intake
        for name, sample in service.yaml_files("samples").items():
            scope = {"application": application_of(service, sample["body"])}
            for text in filter(None, [intake.applicant.name, intake.subject]):
                assert expression(text)(scope), f"{name}: {text}"

    def test_the_answers_of_people_fit_the_forms(self, service: Service) -> None:
        tasks = {task.id: task for task in service.of("userTask")}
        for name, sample in service.yaml_files("samples").items():
            for element, answers in (sample.get("people") or {}).items():
                assert element in tasks, f"{name}: {element} ist keine Aufgabe"
                form = service.process.form(tasks[element].hub("form"))
                for answer in answers if isinstance(answers, list) else [answers]:
                    assert set(answer) <= answers_of(form), f"{name}: {element}"
                    chosen = answer.get(form.submit.name)
                    assert chosen is None or chosen in {action.value for action in form.submit.actions}


class TestScenarios:
    def test_all_scenarios_end_as_expected(self, service: Service) -> None:
        process = service.process
        result = scenarios.run(service.folder, read_sample=lambda path: read_application(process, path.read_bytes()))
        assert not result.faults
        assert not {play.file: play.faults for play in result.scenarios if not play.ok}
        assert result.coverage >= 0.95, f"Kein Szenario erreicht {result.uncovered}"

    def test_there_are_enough_and_every_ending_is_reached(self, service: Service) -> None:
        stories = service.yaml_files("scenarios")
        assert len(stories) >= 5
        subprocess_ends = {element.id for scope in service.document.scopes.values() if scope.parent
                           for element in scope.of("endEvent")}  # fmt: skip
        main = {element.id for element in service.of("endEvent")} - subprocess_ends
        quiet = {element.id for element in service.of("endEvent") if element.trigger is None}
        reached = {story["expect"]["ended"] for story in stories.values()}
        assert reached <= main
        assert main - reached <= quiet, "Kein Szenario erreicht dieses Ende"

    def test_every_task_delivery_and_message_appears_in_a_scenario(self, service: Service) -> None:
        answered = {element for story in service.yaml_files("scenarios").values() for element in story["answers"]}
        waiting = {task.id for tag in ("userTask", "serviceTask", "receiveTask") for task in service.of(tag)}
        assert waiting <= answered


def placeholders(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from (found.strip() for found in PLACEHOLDER.findall(text))


def application_of(service: Service, body: str) -> dict[str, object]:
    return read_application(service.process, (service.folder / "samples" / body).read_bytes())


def faults_of(service: Service, body: bytes) -> list[str]:
    """Faults of a sample in its own schema, or in the official standard that the service takes."""
    schema = service.process.schema
    if schema is None:
        return [fault.message for fault in validate(body).faults]
    if body.lstrip()[:1] == b"<":
        return [fault.message for fault in schema.check_xml(safe.parse_xml(body))]
    return [fault.message for fault in schema.check(safe.parse_json(body))]


def test_the_library_has_services(request: pytest.FixtureRequest) -> None:
    from tests.library_content.conftest import FOLDERS

    assert FOLDERS
