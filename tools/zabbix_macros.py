"""The user macros of the Zabbix templates: thresholds, windows, filters. zabbix_templates.py writes them."""

from dataclasses import dataclass

from tools.zabbix_triggers import TRIGGERS

NUMBER, TIME = r"^-?[0-9]+(\.[0-9]+)?$", r"^[1-9][0-9]*[smhd]?$"
CONTEXT = "Accepts a sensor's name as context."


@dataclass(frozen=True, order=True)
class Macro:
    """A user macro with its default value."""

    name: str
    value: str
    purpose: str
    """Without a full stop."""
    regex: str = ""
    """What the Host Wizard of Zabbix 7.4 accepts as its value; empty if the wizard does not ask for it."""

    @property
    def description(self) -> str:
        """The purpose, and whether a trigger uses the macro with the name of a sensor as context."""
        return f"{self.purpose}. {CONTEXT}" if f'{self.name[:-1]}:"' in str(TRIGGERS) else f"{self.purpose}."


MACROS = (
    Macro("{$USBRH.INTERVAL}", "1m", "Interval at which the agent is asked for a reading (agent templates only)", TIME),
    Macro("{$USBRH.LLD.FILTER.SENSOR.MATCHES}", ".*", "Sensors whose name matches are monitored"),
    Macro("{$USBRH.LLD.FILTER.SENSOR.NOT_MATCHES}", "CHANGE_IF_NEEDED", "Sensors whose name matches are excluded"),
    Macro("{$USBRH.TEMP.MAX.CRIT}", "32", "Critical upper threshold of the temperature in °C", NUMBER),
    Macro("{$USBRH.TEMP.MAX.WARN}", "27", "Upper threshold of the temperature in °C", NUMBER),
    Macro("{$USBRH.TEMP.MIN.WARN}", "18", "Lower threshold of the temperature in °C", NUMBER),
    Macro("{$USBRH.TEMP.MIN.CRIT}", "15", "Critical lower threshold of the temperature in °C", NUMBER),
    Macro("{$USBRH.TEMP.HYST}", "1",
          "Hysteresis of the temperature in °C: a problem ends this far inside the threshold"),
    Macro("{$USBRH.HUM.MAX.CRIT}", "80", "Critical upper threshold of the humidity in %RH", NUMBER),
    Macro("{$USBRH.HUM.MAX.WARN}", "70", "Upper threshold of the humidity in %RH", NUMBER),
    Macro("{$USBRH.HUM.MIN.WARN}", "20", "Lower threshold of the humidity in %RH", NUMBER),
    Macro("{$USBRH.HUM.MIN.CRIT}", "10", "Critical lower threshold of the humidity in %RH", NUMBER),
    Macro("{$USBRH.HUM.HYST}", "3", "Hysteresis of the humidity in %RH: a problem ends this far inside the threshold"),
    Macro("{$USBRH.WINDOW}", "5m", "Time beyond a threshold that starts a problem, and within it that ends it"),
    Macro("{$USBRH.SPREAD.MIN.WARN}", "3", "Smallest difference between temperature and dew point in °C"),
    Macro("{$USBRH.RISE.MAX.WARN}", "5", "Largest rise of the temperature in °C within {$USBRH.RISE.WINDOW}"),
    Macro("{$USBRH.RISE.WINDOW}", "15m",
          "Time in which the temperature must not rise by more than {$USBRH.RISE.MAX.WARN}"),
    Macro("{$USBRH.STUCK.WINDOW}", "6h", "Time after which unchanged values of a sensor are a problem"),
    Macro("{$USBRH.NODATA}", "10m", "Time after which missing readings of a sensor are a problem"),
    Macro("{$USBRH.BRIDGE.NODATA}", "5m",
          "Time after which missing data of usbrh is a problem; less than {$USBRH.NODATA}"),
    Macro("{$USBRH.VPD.MAX.WARN}", "1.25", "Upper threshold of the vapour pressure deficit in kPa"),
    Macro("{$USBRH.VPD.MIN.WARN}", "0.45", "Lower threshold of the vapour pressure deficit in kPa"),
    Macro("{$USBRH.VPD.HYST}", "0.1", "Hysteresis of the vapour pressure deficit in kPa"),
    Macro("{$USBRH.DISCOMFORT.MAX.WARN}", "80", "Upper threshold of the discomfort index"),
    Macro("{$USBRH.DISCOMFORT.HYST}", "1", "Hysteresis of the discomfort index"),
    Macro("{$USBRH.JOURNAL.WAITING.MAX.WARN}", "1000", "Largest number of readings that may wait for delivery"),
    Macro("{$USBRH.JOURNAL.AGE.MAX.WARN}", "1h", "Largest age of a reading that waits for delivery"),
)  # fmt: skip
