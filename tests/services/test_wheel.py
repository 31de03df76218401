"""The wheel carries what a checkout has: pages' assets, migrations, process library and connector folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_ASK = """
import json
from hub.kit import paths
folders = (paths.process_library(), paths.migrations(), paths.connector_library(), paths.browser_assets())
print(json.dumps([str(folder) for folder in folders]))
"""


def test_an_installed_wheel_finds_its_files_outside_the_checkout(tmp_path: Path) -> None:
    _python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), folder=CHECKOUT)
    (wheel,) = tmp_path.glob("ozg_hub-*.whl")
    installed = tmp_path / "installed"
    _python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(wheel), folder=tmp_path)

    # -P and the explicit path: nothing of the checkout may answer in the wheel's place.
    found = _python("-P", "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{_ASK}", folder=tmp_path)

    library, migrations, connectors, assets = (Path(folder) for folder in json.loads(found))
    assert all(folder.is_relative_to(installed) for folder in (library, migrations, connectors, assets))
    assert _names(library, "*/process.yaml") == _names(CHECKOUT / "process-library", "*/process.yaml")
    assert _names(migrations, "**/*.py") == _names(CHECKOUT / "migrations", "**/*.py")
    assert _names(connectors, "*/connector.yaml") == _names(CHECKOUT / "connectors" / "library", "*/connector.yaml")
    for file in json.loads((assets / "contents.json").read_text())["files"]:
        assert (assets / file).is_file()


def _names(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob(pattern)}


def _python(*arguments: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
