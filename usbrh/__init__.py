"""usbrh: reads Strawberry Linux USB hygrometers and brings every reading to Zabbix."""

__version__ = "0.1.0"
