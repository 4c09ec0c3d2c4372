"""tools/site.py: the pages of the site. `make site` builds it, and checks every link."""

import re

import pytest
import yaml

from tools.release import PLACEHOLDER
from tools.site import page, pages
from tools.version import TOP, released


def test_every_page_has_a_place_in_the_menu() -> None:
    text = re.sub(r"!!\S+|!ENV", "", (TOP / "mkdocs.yml").read_text(encoding="utf-8"))
    menu = re.findall(r"[\w-]+\.md", str(yaml.safe_load(text)["nav"]))
    assert sorted(menu) == sorted(name for name in pages() if name.endswith(".md") and ".ja." not in name)


def test_links_lead_to_pages_of_the_site() -> None:
    text = page("README.md")
    assert "](docs/" not in text
    assert "](getting-started.md)" in text
    assert "](security.md)" in text
    assert "](images/watch.png)" in text


def test_links_between_japanese_pages_have_no_language() -> None:
    assert "](zabbix.md)" in page("docs/getting-started.ja.md")
    assert ".ja.md" not in page("docs/getting-started.ja.md")


def test_a_japanese_page_can_link_to_the_english_one() -> None:
    text = page("docs/zabbix.ja.md")
    found = re.search(r'<a href="\.\./reliability\.html#([\w-]+)">', text)
    assert found
    headings = re.findall(r"^#+ (.*)$", page("docs/reliability.md"), re.MULTILINE)
    assert found[1] in [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]


def test_links_to_other_files_lead_to_the_repository() -> None:
    assert f"]({PLACEHOLDER}/blob/v{released()}/zabbix/templates/README.md)" in page("docs/zabbix.md")


@pytest.mark.parametrize("path", ["README.md", "README.ja.md", "docs/zabbix.md", "docs/zabbix.ja.md"])
def test_the_menu_replaces_the_link_to_the_other_language(path: str) -> None:
    before, after = (TOP / path).read_text(encoding="utf-8"), page(path)
    assert re.search(r"^[(（]?(日本語|English|\[日本語|\[English)", before, re.MULTILINE)
    assert not re.search(r"^[(（]?(日本語|English|\[日本語|\[English)", after, re.MULTILINE)


def test_code_stays_as_it_is() -> None:
    commands = re.findall(
        r"^    usbrh .*$", (TOP / "docs/getting-started.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert commands
    assert all(command in page("docs/getting-started.md") for command in commands)
    assert "`_USBRH_COMPLETE=fish_source usbrh | source`" in page("docs/getting-started.md")


def test_lines_of_a_japanese_paragraph_are_joined_without_a_space() -> None:
    text = page("README.ja.md")
    assert not re.search(r"[\u3041-\u9fff]\n[\u3041-\u9fff]", text)
    assert text.count("\n\n") > 30
