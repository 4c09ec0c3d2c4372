"""The user macros of the Zabbix templates: thresholds, windows, filters. zabbix_templates.py writes them."""

from tools.zabbix_triggers import TRIGGERS

_MACROS = (
    ("{$USBRH.INTERVAL}", "1m", "Interval at which the agent is asked for a reading (agent templates only)."),
    ("{$USBRH.LLD.FILTER.SENSOR.MATCHES}", ".*", "Sensors whose name matches are monitored."),
    ("{$USBRH.LLD.FILTER.SENSOR.NOT_MATCHES}", "CHANGE_IF_NEEDED", "Sensors whose name matches are excluded."),
    ("{$USBRH.TEMP.MAX.CRIT}", "32", "Critical upper threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MAX.WARN}", "27", "Upper threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MIN.WARN}", "18", "Lower threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MIN.CRIT}", "15", "Critical lower threshold of the temperature in °C."),
    ("{$USBRH.TEMP.HYST}", "1", "Hysteresis of the temperature in °C: a problem ends this far inside the threshold."),
    ("{$USBRH.HUM.MAX.CRIT}", "80", "Critical upper threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MAX.WARN}", "70", "Upper threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MIN.WARN}", "20", "Lower threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MIN.CRIT}", "10", "Critical lower threshold of the humidity in %RH."),
    ("{$USBRH.HUM.HYST}", "3", "Hysteresis of the humidity in %RH: a problem ends this far inside the threshold."),
    ("{$USBRH.WINDOW}", "5m", "Time beyond a threshold that starts a problem, and within it that ends it."),
    ("{$USBRH.SPREAD.MIN.WARN}", "3", "Smallest difference between temperature and dew point in °C."),
    ("{$USBRH.RISE.MAX.WARN}", "5", "Largest rise of the temperature in °C within {$USBRH.RISE.WINDOW}."),
    ("{$USBRH.RISE.WINDOW}", "15m", "Time in which the temperature must not rise by more than {$USBRH.RISE.MAX.WARN}."),
    ("{$USBRH.STUCK.WINDOW}", "6h", "Time after which unchanged values of a sensor are a problem."),
    ("{$USBRH.SILENT}", "10m", "Time after which missing readings of a sensor are a problem."),
    ("{$USBRH.BRIDGE.SILENT}", "5m", "Time after which missing data of usbrh is a problem; less than {$USBRH.SILENT}."),
    ("{$USBRH.VPD.MAX.WARN}", "1.25", "Upper threshold of the vapour pressure deficit in kPa."),
    ("{$USBRH.VPD.MIN.WARN}", "0.45", "Lower threshold of the vapour pressure deficit in kPa."),
    ("{$USBRH.VPD.HYST}", "0.1", "Hysteresis of the vapour pressure deficit in kPa."),
    ("{$USBRH.DISCOMFORT.MAX.WARN}", "80", "Upper threshold of the discomfort index."),
    ("{$USBRH.DISCOMFORT.HYST}", "1", "Hysteresis of the discomfort index."),
    ("{$USBRH.JOURNAL.WAITING.MAX.WARN}", "1000", "Largest number of readings that may wait for delivery."),
    ("{$USBRH.JOURNAL.AGE.MAX.WARN}", "1h", "Largest age of a reading that waits for delivery."),
)  # fmt: skip

MACROS = tuple(
    (name, value, f"{text} Accepts a sensor's name as context." if f'{name[:-1]}:"' in str(TRIGGERS) else text)
    for name, value, text in _MACROS
)
