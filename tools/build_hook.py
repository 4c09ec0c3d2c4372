"""hatchling's hooks: the package in a wheel or source archive knows its whole version; and classifiers."""

import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PACKAGE = "usbrh/__init__.py"


class VersionHook(BuildHookInterface[Any]):
    """Put a copy of ``usbrh/__init__.py`` with the version of the build into the archive.

    The checkout keeps the released version, so a build changes no file in it. tools/version.py determines the version.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the copy. An editable installation runs from the checkout, and needs none."""
        if version == "editable":
            return
        text = (Path(self.root) / PACKAGE).read_text(encoding="utf-8")
        wanted = re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{self.metadata.version}"', text)
        if wanted != text:
            self._folder = tempfile.TemporaryDirectory(prefix="usbrh-build-")
            copy = Path(self._folder.name) / "__init__.py"
            copy.write_text(wanted, encoding="utf-8")
            build_data["force_include"][str(copy)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copy."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


class ClassifierHook(MetadataHookInterface):
    """Accept classifiers of Python versions that are newer than the hatchling of Debian 12."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Change nothing."""

    def get_known_classifiers(self) -> list[str]:
        """Return the classifiers that hatchling may not know."""
        return [f"Programming Language :: Python :: 3.{minor}" for minor in (12, 13, 14)]
