"""The folder that holds weights, cache, runs and jobs, and remembers the data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acetune import compute, files
from acetune.catalog import nearest
from acetune.errors import SettingError

#: Layout of workspace.json.
VERSION = 1


@dataclass(frozen=True)
class Workspace:
    """Paths below one home folder; nothing is created before it is needed."""

    home: Path

    @classmethod
    def at(cls, home: str | Path | None = None) -> Workspace:
        """Return the workspace: the given folder, else ACETUNE_HOME, else ./acetune."""
        return cls(Path(home or compute.environment("HOME") or "acetune").expanduser().absolute())

    @property
    def models(self) -> Path:
        """Weights."""
        return self.home / "models"

    @property
    def cache(self) -> Path:
        """Encoded songs; always safe to delete."""
        return self.home / "cache"

    @property
    def runs(self) -> Path:
        """One folder a training run."""
        return self.home / "runs"

    def datasets(self) -> tuple[Path, ...]:
        """Return the data sets that were used with this workspace and still exist."""
        listed = self._read().get("datasets", [])
        paths = [Path(str(path)) for path in listed] if isinstance(listed, list) else []
        return tuple(path for path in paths if path.is_dir())

    def remember(self, dataset: Path) -> None:
        """Add a data set to the list."""
        path = str(dataset.absolute())
        known = [str(p) for p in self.datasets()]
        if path not in known:
            self._write({"version": VERSION, "datasets": [*known, path]})

    def find_run(self, run: str | Path) -> Path:
        """Return the folder of a run given by name or path.

        Raises:
            SettingError: If there is no such run; the known ones are named.
        """
        for folder in (Path(run), self.runs / str(run)):
            if (folder / "recipe.yaml").is_file():
                return folder.absolute()
        known = ", ".join(folder.name for folder in self.list_runs()) or "none yet"
        hint = nearest(str(run), tuple(folder.name for folder in self.list_runs()))
        raise SettingError("workspace.no_run", run=run, home=self.home, known=known, hint=hint)

    def list_runs(self) -> tuple[Path, ...]:
        """Return all run folders, the oldest first."""
        if not self.runs.is_dir():
            return ()
        folders = [f for f in self.runs.iterdir() if (f / "recipe.yaml").is_file()]
        return tuple(sorted(folders, key=lambda f: (f / "recipe.yaml").stat().st_mtime))

    def _read(self) -> dict[str, object]:
        """Return workspace.json; an empty one where there is none."""
        path = self.home / "workspace.json"
        content = files.read_json(path) if path.is_file() else {}
        if not isinstance(content, dict):
            return {}
        if content.get("version", VERSION) != VERSION:
            raise SettingError("workspace.newer", home=self.home, version=content["version"], known=VERSION)
        return content

    def _write(self, content: dict[str, object]) -> None:
        """Replace workspace.json."""
        files.write_json(self.home / "workspace.json", content)
