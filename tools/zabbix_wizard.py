"""What the Host Wizard of Zabbix 7.4 and newer shows: instructions, and the macros that it asks for.

Source: https://www.zabbix.com/documentation/current/en/manual/xml_export_import/templates (of 7.4: "Templates" and
"Template macro configuration"). zabbix_templates.py writes it.
"""

from typing import Any

from tools.zabbix_macros import MACROS, Macro

INSTALL = "1. Install usbrh on the machine with the sensors. Run there: `sudo usbrh setup`"
NAME = "The host name must be the `host` of usbrh's configuration. The default is the name of that machine."
README = {
    "TRAP": (
        INSTALL,
        "2. Set `servers` in /etc/usbrh/usbrh.toml to the address of this Zabbix server or of a proxy.",
        "3. Start the service: `sudo systemctl enable --now usbrh`",
        "4. Check the route: `sudo usbrh zabbix check`",
        "",
        NAME,
    ),
    "ZABBIX_PASSIVE": (
        INSTALL,
        "2. Restart the agent: `sudo systemctl restart zabbix-agent` or `zabbix-agent2`",
        "3. Check on the server: `zabbix_get -s ADDRESS -k usbrh.discovery`",
    ),
    "ZABBIX_ACTIVE": (
        INSTALL,
        "2. Restart the agent: `sudo systemctl restart zabbix-agent` or `zabbix-agent2`",
        "",
        "The host name must be the `Hostname` of the agent's configuration.",
    ),
}
"""The instructions in Markdown, by the type of the template's items."""


def instructions(item_type: str) -> dict[str, str]:
    """Return the keys of a template that the wizard offers."""
    return {"wizard_ready": "YES", "readme": "\n".join(README[item_type])}


def configuration(macro: Macro) -> dict[str, Any]:
    """Return the key of a macro for which the wizard asks; no key for other macros."""
    asked = [each for each in MACROS if each.regex]
    if macro not in asked:
        return {}
    order = str(asked.index(macro) + 1)
    return {
        "config": {
            "type": "TEXT",
            "priority": order,
            "label": macro.purpose,
            "required": "YES",
            "regex": macro.regex,
        }
    }
