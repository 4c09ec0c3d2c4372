"""The data files, in a checkout and in an installed wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import usbrh
from usbrh.system.resources import resource

RULE = "udev/70-usbrh.rules"


def test_in_a_checkout() -> None:
    assert resource(RULE).is_file()


def test_in_a_wheel_the_package_contains_them(tmp_path: Path) -> None:
    package = tmp_path / "usbrh"
    shutil.copytree(Path(usbrh.__file__).parent / "system", package / "system")
    shutil.copy(usbrh.__file__, package)
    (package / "data/udev").mkdir(parents=True)
    (package / "data" / RULE).write_text("that of the wheel")
    (tmp_path / "udev").mkdir()
    (tmp_path / RULE).write_text("another one")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from usbrh.system.resources import resource\n"
    code += f"print(resource({RULE!r}).read_text())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "that of the wheel\n"
