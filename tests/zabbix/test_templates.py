"""What a real server makes of the template files."""

from pathlib import Path

import pytest
import yaml

from tests.support.zabbix.server import CHECKOUT, ZabbixServer

FORMS = ("usbrh_trapper", "usbrh_agent", "usbrh_agent_active")


def counts_in_file(path: Path) -> dict[str, int]:
    export = yaml.safe_load(path.read_text(encoding="utf-8"))["zabbix_export"]
    template = export["templates"][0]
    rules = template["discovery_rules"]
    prototypes = [item for rule in rules for item in rule["item_prototypes"]]
    return {
        "items": len(template["items"]),
        "triggers": sum(len(item.get("triggers", ())) for item in template["items"]) + len(export["triggers"]),
        "graphs": len(export["graphs"]),
        "discoveries": len(rules),
        "item prototypes": len(prototypes),
        "trigger prototypes": sum(len(item.get("trigger_prototypes", ())) for item in prototypes)
        + sum(len(rule["trigger_prototypes"]) for rule in rules),
        "graph prototypes": sum(len(rule["graph_prototypes"]) for rule in rules),
        "dashboards": len(template["dashboards"]),
        "widgets": sum(len(page["widgets"]) for dashboard in template["dashboards"] for page in dashboard["pages"]),
        "macros": len(template["macros"]),
        "value maps": len(template["valuemaps"]),
    }


def counts_in_server(server: ZabbixServer, name: str) -> dict[str, int]:
    counted = ("Items", "Triggers", "Graphs", "Discoveries", "Dashboards", "Macros")
    found = server.api.template.get(filter={"host": [name]}, output=["templateid"], selectValueMaps=["name"],
                                    **{f"select{kind}": "extend" for kind in counted})[0]  # fmt: skip
    template = found["templateid"]
    pages = server.api.templatedashboard.get(templateids=template, selectPages="extend")[0]["pages"]
    prototypes = {
        f"{kind} prototypes": int(
            getattr(server.api, f"{kind}prototype").get(templateids=template, countOutput=True, inherited=False)
        )
        for kind in ("item", "trigger", "graph")
    }
    own = {kind: len(found[kind]) for kind in ("items", "triggers", "graphs", "discoveries", "dashboards", "macros")}
    widgets = sum(len(page["widgets"]) for page in pages)
    return own | prototypes | {"value maps": len(found["valuemaps"]), "widgets": widgets}


@pytest.mark.parametrize("form", FORMS)
def test_the_server_makes_all_that_is_in_the_file(server: ZabbixServer, form: str) -> None:
    """7.0 leaves a trigger with a wrong expression out without a word."""
    for suffix in (".ja", "", ""):  # once more changes nothing, and the other tests expect English
        path = CHECKOUT / "zabbix" / "templates" / server.release.name / f"{form}{suffix}.yaml"
        name = yaml.safe_load(path.read_text(encoding="utf-8"))["zabbix_export"]["templates"][0]["template"]
        server.import_file(path)
        assert counts_in_server(server, name) == counts_in_file(path)
        # Exported again it would be the same file: nothing was dropped, nothing means something else.
        assert server.compare_file(path) == []


def test_a_newer_server_takes_the_file_of_the_older(zabbix_70: ZabbixServer) -> None:
    """As 6.2 and 6.4 do, which are given the same file."""
    path = CHECKOUT / "zabbix" / "templates" / "6.0" / "usbrh_trapper.yaml"
    zabbix_70.import_file(path)
    assert counts_in_server(zabbix_70, "USB-RH by Zabbix trapper") == counts_in_file(path)
    zabbix_70.import_file(CHECKOUT / "zabbix" / "templates" / "7.0" / "usbrh_trapper.yaml")
