"""From the sensors to Zabbix: measure, keep in the journal, deliver."""
