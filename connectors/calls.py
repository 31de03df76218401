"""The verbs of a connector: plan, perform, lookup, check_connection.

None of them raises for anything a far system or a mapping does: every end is an :class:`Outcome`. They hold no
transaction and write nothing; the hub commits ``started`` before and ``done`` after each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors import answers
from connectors.contract import Attachment, Instance, Manifest, Message, Outcome, PlannedStep
from connectors.declaration import Answer, Lookup, Step
from connectors.mapping import MappingError, context
from connectors.settings import settings_faults
from connectors.transports import folder, rest, sftp, soap
from connectors.transports.call import Call
from connectors.transports.wsdl import WsdlError
from connectors.xmltree import TreeError

_PERFORM = {"rest": rest.perform, "soap": soap.perform, "sftp": sftp.perform, "folder": folder.perform}


def plan(manifest: Manifest, operation: str) -> tuple[PlannedStep, ...]:
    """The steps of ``operation`` in order; KeyError when the manifest has no such operation."""
    declared = manifest.operation(operation)
    last = len(declared.steps) - 1
    return tuple(
        PlannedStep(operation, step.id, step.repeat, index == last, step, declared.expects if index == last else None)
        for index, step in enumerate(declared.steps)
    )


def perform(step: PlannedStep, instance: Instance, message: Message, attachments: Sequence[Attachment]) -> Outcome:
    """Do one step. ``handed-over`` when it is the last one and a business receipt is still expected."""
    manifest = instance.manifest
    operation = manifest.operations[step.operation]
    if operation.collect is not None:
        say = "Sammelübergaben (collect) kann diese Fassung noch nicht ausführen. Die IT ist zuständig."
        return answers.outcome("configuration", say=say)
    place = f"{manifest.id}: {step.operation}.{step.id}"
    table = [*step.step.answers, *operation.answers]
    done = _guarded(instance, message, attachments, step.step, table, place)
    if done.kind == "delivered" and step.expects is not None:
        return replace(done, kind="handed-over", say=answers.outcome("handed-over").say)
    return done


def lookup(
    manifest: Manifest, operation: str, instance: Instance, message: Message, attachments: Sequence[Attachment] = ()
) -> Outcome:
    """Whether an earlier call with ``message.key`` arrived: ``delivered`` (with what the steps would save),
    ``absent``, or why that cannot be said (``transient``, ``configuration``).

    Without a declared lookup: ``unknown``.
    """
    declared = manifest.operation(operation)
    if declared.lookup is None:
        say = "Für diese Anbindung gibt es keine Nachfrage; bitte sehen Sie im Zielsystem nach."
        return answers.outcome("unknown", say=say)
    place = f"{manifest.id}: {operation}.lookup"
    done = _guarded(instance, message, attachments, declared.lookup, declared.lookup.answers, place)
    if done.kind == "delivered" and declared.expects is not None:
        return replace(done, kind="handed-over", say=answers.outcome("handed-over").say)
    return done


def check_connection(instance: Instance) -> Outcome:
    """Settings complete, address reachable, credentials accepted where that can be seen without changing anything."""
    manifest = instance.manifest
    faults = settings_faults(manifest, instance.settings)
    if faults:
        return answers.outcome("configuration", say=" ".join(fault.message for fault in faults))
    if manifest.transport in {"sftp", "folder"}:
        return sftp.check(instance) if manifest.transport == "sftp" else folder.check(instance)
    if manifest.transport not in _PERFORM:
        return _not_built(manifest)
    if manifest.check is None or manifest.transport != "rest":
        return rest.check(None, instance)
    asked = Lookup(call=manifest.check)
    return _guarded(instance, Message("pruefung", {}, {}), (), asked, [], f"{manifest.id}: check")


def _guarded(
    instance: Instance,
    message: Message,
    attachments: Sequence[Attachment],
    declared: Step | Lookup,
    table: Sequence[Answer],
    place: str,
) -> Outcome:
    """Run a transport; faults of our own making are ``configuration``, everything unforeseen is ``unknown``."""
    run = _PERFORM.get(instance.manifest.transport)
    if run is None:
        return _not_built(instance.manifest)
    try:
        values = context(instance, message, attachments)
        return run(Call(instance, message, declared, table, attachments, values, place))
    except (MappingError, TreeError, WsdlError) as error:
        say = "Die Nachricht an die Fachanwendung konnte nicht gebildet werden. Die IT ist zuständig."
        detail = str(error) if isinstance(error, MappingError) else f"{place}: {error}"
        return answers.outcome("configuration", say=say, detail=detail)
    except Exception as error:  # an unforeseen end is never taken for a harmless one
        return answers.outcome("unknown", detail=f"{place}: {type(error).__name__}")


def _not_built(manifest: Manifest) -> Outcome:
    say = f"Der Transport {manifest.transport!r} ist in dieser Fassung nicht enthalten. Die IT ist zuständig."
    return answers.outcome("configuration", say=say)
