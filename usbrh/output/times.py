"""How times are written: in UTC or local time, in ISO 8601 or a format of the user."""

from datetime import UTC, datetime
from typing import NamedTuple

from usbrh.clock import NS
from usbrh.reading import format_time


class TimeStyle(NamedTuple):
    """Writes times. By default as in JSON: in UTC, with nanoseconds."""

    local: bool = False
    """In the time zone of this machine, with its offset from UTC."""
    form: str | None = None
    """In strftime notation."""

    def text(self, time_ns: int) -> str:
        """Write nanoseconds since 1970."""
        moment = self.moment(time_ns)
        if self.form is not None:
            return moment.strftime(self.form)
        if not self.local:
            return format_time(time_ns)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NS:09d}{moment.isoformat()[-6:]}"

    def moment(self, time_ns: int) -> datetime:
        """Return the time with microseconds, in UTC or in local time."""
        utc = datetime.fromtimestamp(time_ns // NS, UTC).replace(microsecond=time_ns % NS // 1000)
        return utc.astimezone() if self.local else utc


UTC_STYLE = TimeStyle()
FOR_PEOPLE = TimeStyle(local=True, form="%Y-%m-%d %H:%M")


def age(seconds: float) -> str:
    """Write how long ago something happened: ``12 s ago``, ``5 min ago``, ``3 h ago``, ``2 d ago``."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
