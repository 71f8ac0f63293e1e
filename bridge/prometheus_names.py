"""What a metric is called in Prometheus, as the Collector translates it: two of one name would hide each other.

Imported only where a mapping file is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.mapping import MetricRule

RESERVED_LABELS = frozenset(
    {"le", "quantile", "job", "instance", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}
)
"""What the Collector adds to points by itself: an attribute of that name would stand there twice, and it then leaves
out the whole metric."""
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "1": "",
}
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_PARTS_OF_A_HISTOGRAM = ("", "_bucket", "_count", "_sum")


def label_of(attribute_name: str) -> str:
    """The label that comes of an attribute; newer Collectors make one ``_`` of several."""
    return re.sub("[^A-Za-z0-9]+", "_", attribute_name)


def series_of(rule: MetricRule) -> Sequence[str]:
    """The names of all series that come of a metric; the one it is known by first."""
    words = re.split("[^A-Za-z0-9]+", rule.name.strip("./-_"))
    main, _, per = rule.unit.partition("/")
    for unit, table, prefix in ((main, _UNITS, ()), (per, _PER, ("per",))):
        bare = re.sub(r"\{[^}]*\}", "", unit)
        word = table.get(bare, "_".join(re.findall("[A-Za-z0-9]+", bare)))
        if word and word not in words:
            words += [*prefix, word]
    for kind, unit, last in (("counter", rule.unit, "total"), ("gauge", "1", "ratio")):
        if rule.kind == kind and rule.unit == unit:
            words = [*(word for word in words if word != last), last]
    name = "_".join(words)
    return [name + part for part in _PARTS_OF_A_HISTOGRAM] if rule.kind == "histogram" else [name]
