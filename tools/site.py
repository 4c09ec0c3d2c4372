"""Builds the documentation site in build/site, from docs/ and the pages at the top of the repository.

python -m tools.site

MkDocs reads mkdocs.yml, and copies of the pages in build/site-pages. In the copies, links lead to the copies, or to the
public repository if the file is not part of the site. A link or an anchor that leads nowhere is an error.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import PurePosixPath

from tools.release import PLACEHOLDER
from tools.version import TOP, released, version

PAGES = TOP / "build/site-pages"
OUTSIDE = {
    "README.md": "index.md",
    "README.ja.md": "index.ja.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside of docs/, and their names in the site."""
_WIDE = "[\u3000-\u9fff\uff01-\uff60]"
_PARTS = re.compile(
    r"^```.*?^```$|`[^`\n]*`|\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)"
    rf"|(?P<break>(?<={_WIDE})\n {{0,3}}(?={_WIDE}))",
    re.DOTALL | re.MULTILINE,
)
"""A code block, inline code, a link, and a line break between two Japanese characters."""
_TWIN = re.compile(r"^[(（]?(?:日本語|English)?[:：]? ?\[[^\]]+\]\([\w.-]+\)[)）]?\n\n", re.MULTILINE)
"""The line that links to the page in the other language. The site has a menu for that."""


def pages() -> dict[str, str]:
    """Return the file in the repository of every page and picture of the site, by its name in the site."""
    inside = [*TOP.glob("docs/*.md"), *TOP.glob("docs/images/*")]
    names = {str(path.relative_to(TOP / "docs")): str(path.relative_to(TOP)) for path in sorted(inside)}
    return names | {name: path for path, name in OUTSIDE.items()}


def page(path: str) -> str:
    """Return the text of a page as the site has it.

    Args:
        path: the file, relative to the top of the repository.
    """
    names = {file: name for name, file in pages().items()}
    japanese = path.endswith(".ja.md")

    def rewritten(found: re.Match[str]) -> str:
        if found["break"]:
            return ""  # a browser would show a space
        target = found["target"]
        if not target:
            # In a table GitHub needs the backslash. MkDocs would show it.
            return found[0] if found[0].startswith("```") else found[0].replace(r"\|", "|")
        if re.match(r"#|\w+:", target):
            return found[0]
        file, hash_sign, anchor = target.partition("#")
        file = os.path.normpath(PurePosixPath(path).parent / file)
        if not (TOP / file).exists():
            return found[0]  # MkDocs reports it
        if file not in names:
            return f"[{found['text']}]({PLACEHOLDER}/blob/v{released()}/{file}{hash_sign}{anchor})"
        if japanese and re.sub(r"(?<!\.ja)\.md$", ".ja.md", file) in names.keys() - {file}:
            # For the plugin i18n both languages have one name. HTML leads to the English page all the same.
            return f'<a href="../{names[file].replace(".md", ".html")}{hash_sign}{anchor}">{found["text"]}</a>'
        return f"[{found['text']}]({names[file].replace('.ja.md', '.md')}{hash_sign}{anchor})"

    text = (TOP / path).read_text(encoding="utf-8")
    return _PARTS.sub(rewritten, _TWIN.sub("", text, count=1))


def collect() -> None:
    """Write all pages and pictures into build/site-pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name, file in pages().items():
        copy = PAGES / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".md"):
            copy.write_text(page(file), encoding="utf-8")
        else:
            shutil.copy(TOP / file, copy)


def main() -> None:
    """Build the site. The exit status is that of MkDocs: 1 if a link leads nowhere."""
    collect()
    environment = os.environ | {"USBRH_SITE_VERSION": f"usbrh {version()}", "USBRH_SITE_REPOSITORY": PLACEHOLDER}
    environment["NO_MKDOCS_2_WARNING"] = "1"  # MkDocs is pinned
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    sys.exit(subprocess.run(command, cwd=TOP, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
