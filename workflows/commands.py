"""``ozg-hub process check | run | layout``: the tools of those who write processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from workflows import scenarios
from workflows.contract import ModelFault
from workflows.inspect import Inspection, inspect

process_app = typer.Typer(help="Prozesse prüfen, durchspielen und zeichnen.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Eine JSON-Zeile je Eintrag.")]

_reader: Callable[[Path], scenarios.ReadSample] = lambda _folder: scenarios.read_json  # noqa: E731


def read_samples_with(reader: Callable[[Path], scenarios.ReadSample]) -> None:
    """Let the hub say how a process folder's samples are read (FIM data to readable names)."""
    global _reader
    _reader = reader


@process_app.command("check")
def check(files: Annotated[list[Path], typer.Argument(help="BPMN- und DMN-Dateien.")], as_json: Json = False) -> None:
    """Sagt für jede Datei, was einer Ausführung entgegensteht; Exit-Code 1, wenn etwas gefunden wurde."""
    good = True
    for path in files:
        found = inspect(path)
        good = good and found.ok
        typer.echo(_line(_inspection(path, found)) if as_json else _inspection_text(path, found))
    raise typer.Exit(0 if good else 1)


@process_app.command("run")
def run(folder: Annotated[Path, typer.Argument(help="Prozessordner.")], as_json: Json = False) -> None:
    """Spielt alle Szenarien eines Prozessordners durch."""
    result = scenarios.run(folder, read_sample=_reader(folder))
    for line in _run_json(result) if as_json else _run_text(result):
        typer.echo(line)
    raise typer.Exit(0 if result.ok else 1)


@process_app.command("layout")
def layout(
    file: Annotated[Path, typer.Argument(help="BPMN-Datei.")],
    again: Annotated[bool, typer.Option("--again", help="Ein vorhandenes Diagramm ersetzen.")] = False,
) -> None:
    """Ergänzt ein Diagramm von links nach rechts, wenn das Modell keines hat."""
    from workflows.diagram import ensure_diagram

    before = file.read_bytes()
    after = ensure_diagram(before, again=again)
    if after != before:
        file.write_bytes(after)
    typer.echo(f"{file}: {'gezeichnet' if after != before else 'hat schon ein Diagramm'}")


def _line(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _fault(fault: ModelFault) -> dict[str, Any]:
    return {"line": fault.line, "element": fault.element, "code": fault.code, "message": fault.message,
            "remedy": fault.remedy}  # fmt: skip


def _inspection(path: Path, found: Inspection) -> dict[str, Any]:
    return {"file": str(path), "ok": found.ok, "dialect": found.dialect, "version": found.version,
            "message": found.message, "faults": [_fault(fault) for fault in found.faults]}  # fmt: skip


def _inspection_text(path: Path, found: Inspection) -> str:
    lines = [f"{path}: {found.message}"]
    for fault in found.faults:
        lines.append(f"  Zeile {fault.line or '-'} {fault.element}: {fault.message} {fault.remedy} [{fault.code}]")
    return "\n".join(lines)


def _run_json(result: scenarios.Result) -> list[str]:
    lines = [_line({"folder": str(result.folder), "ok": False, "faults": [_fault(each) for each in result.faults]})
             ] if result.faults else []  # fmt: skip
    for each in result.scenarios:
        lines.append(_line({
            "folder": str(result.folder), "scenario": each.name, "file": each.file, "ok": each.ok,
            "faults": list(each.faults), "visited": list(each.visited), "ended": each.ended,
            "waits_at": list(each.waits_at), "variables": dict(each.variables), "steps": each.steps,
            "seconds": each.seconds,
        }))  # fmt: skip
    if not result.faults:
        lines.append(_line({"folder": str(result.folder), "ok": result.ok, "scenarios": len(result.scenarios),
                            "elements": result.elements, "coverage": round(result.coverage, 3),
                            "uncovered": list(result.uncovered)}))  # fmt: skip
    return lines


def _run_text(result: scenarios.Result) -> list[str]:
    lines = [f"  Zeile {fault.line or '-'} {fault.element}: {fault.message} {fault.remedy}" for fault in result.faults]
    for each in result.scenarios:
        lines.append(
            f"{'ok  ' if each.ok else 'FEHL'} {each.file}: {each.ended or 'wartet an ' + ', '.join(each.waits_at)}"
        )
        lines += [f"       {fault}" for fault in each.faults]
    if result.elements:
        share = f"{result.coverage:.0%} von {result.elements} Elementen erreicht"
        lines.append(share + (f"; nie erreicht: {', '.join(result.uncovered)}" if result.uncovered else ""))
    return lines
