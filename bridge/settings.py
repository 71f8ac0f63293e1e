"""Every knob: its names, unit, default and check. Read once, from a mapping; all problems are reported together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge import allowed, endpoint
from bridge.endpoint import Endpoint, Tls
from bridge.errors import Problem, SettingsError
from bridge.mapping import Mapping as Table

if TYPE_CHECKING:
    from pathlib import Path


_SECRET_CHARACTERS_MIN = 4
"""What is shorter hides nothing, and would blot out words."""


class Settings(NamedTuple):
    """What the bridge was told. `KNOBS` has each one's unit, default and check."""

    endpoint: Endpoint
    insecure: bool | None
    ca_path: Path | None
    client_certificate_path: Path | None
    client_key_path: Path | None
    transport: str
    headers: tuple[tuple[str, str], ...]
    call_timeout_seconds: float
    gzip: bool
    service_name: str | None
    resource_attributes: tuple[tuple[str, str], ...]
    metrics_file_path: str
    collection_interval_seconds: float
    log_level: str
    log_format: str
    stale_after_seconds: float
    file_size_max_bytes: int
    queue_count_max: int
    queue_size_max_bytes: int
    shutdown_budget_seconds: float
    spool_folder: Path | None
    spool_size_max_bytes: int
    exit_after_idle_seconds: float | None
    exit_without_file_seconds: float | None
    exit_marker_path: Path | None
    table: Table
    self_metrics_interval_seconds: float
    health_port: int
    health_host: str
    sdk_disabled: bool

    def __repr__(self) -> str:
        told = self._asdict().items()
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in told if not KNOBS[name].secret)})"

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str]) -> Settings:
        """Read them all; what is not set, or empty, has its default.

        Raises:
            SettingsError: at least one is wrong. All of them are in it.
        """
        values: dict[str, Any] = {}
        names: dict[str, str] = {}
        problems: list[Problem] = []
        for key, knob in KNOBS.items():
            name = next((name for name in knob.names if environ.get(name, "").strip()), knob.names[-1])
            text = environ.get(name, "").strip() or knob.default
            names[key] = name
            try:
                values[key] = knob.read(text)
            except SettingsError as error:  # what stands in a file that a setting names
                problems.extend(error.problems)
            except ValueError:
                problems.append(Problem(name, _shown(knob, text), knob.allowed))
        if "endpoint" in values:
            values["endpoint"] = endpoint.decided(
                values["endpoint"], insecure=values.get("insecure"), files=_tls_files(values)
            )
        problems += _transport_problems(values, names)
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    @property
    def tls_files(self) -> Tls:
        """Those that are set, used or not."""
        return Tls(self.ca_path, self.client_certificate_path, self.client_key_path)

    @property
    def secrets(self) -> frozenset[str]:
        """What no log may show: the headers' values, and what stands in them behind a word such as Bearer."""
        values = {value for _, value in self.headers}
        parts = {part for value in values for part in value.split()[1:]}
        return frozenset(text for text in values | parts if len(text) >= _SECRET_CHARACTERS_MIN)

    def resource(self, *, host_name: str) -> dict[str, str]:
        """What the metrics speak of. The instance is the host (the pod), so that a restart makes no new series."""
        given = dict(self.resource_attributes)
        name = self.service_name or given.get("service.name") or "ml-metrics-bridge"
        return {"service.instance.id": host_name} | given | {"service.name": name}


class Knob(NamedTuple):
    """One setting as the environment has it.

    Attributes:
        names: environment variables, the one that goes first first.
        unit: of the value, empty where it has none.
        default: as text.
        allowed: what it may be.
        read: text to value; a ValueError says that it is not allowed.
        secret: the value is never shown.
    """

    names: tuple[str, ...]
    unit: str
    default: str
    allowed: str
    read: Callable[[str], object]
    secret: bool = False


def _tls_files(values: Mapping[str, Any]) -> Tls:
    return Tls(*map(values.get, ("ca_path", "client_certificate_path", "client_key_path")))


def _transport_problems(values: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Problem]:
    """What only shows when the files of TLS and the asked-for library are looked at."""
    files = _tls_files(values)
    if files != Tls():
        from bridge.transports import certificates  # noqa: PLC0415 - most bridges have no such file

        used = "endpoint" in values and values["endpoint"].tls is not None
        for key, fault in certificates.faults(files, used=used).items():
            yield Problem(names[key], str(values[key]), f"{KNOBS[key].allowed}; {fault}")
    if values.get("transport") == "grpcio":
        from importlib.util import find_spec  # noqa: PLC0415 - as above

        if find_spec("grpc") is None:
            fault = "grpcio is not installed: the extra brings it, pip install 'ml-metrics-bridge[grpcio]'"
            yield Problem(names["transport"], values["transport"], f"{KNOBS['transport'].allowed}; {fault}")


def _shown(knob: Knob, text: str) -> str:
    """A value that is wrong, as it may be told: a password before a host may be in it, too."""
    return "(not shown)" if knob.secret else re.sub(r".*@", "(not shown)@", text, flags=re.DOTALL)


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


KNOBS: Mapping[str, Knob] = {
    "endpoint": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        "",
        "http://localhost:4317",
        endpoint.ALLOWED,
        endpoint.parse,
    ),
    "insecure": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"),
        "",
        "",
        "true or false",
        allowed.yes_or_none,
    ),
    "ca_path": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        "",
        "",
        "the path of a PEM file with certificates; empty: the system's bundle",
        allowed.path_or_none,
    ),
    "client_certificate_path": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        "",
        "",
        "the path of a PEM file with a certificate and what it is signed by; empty: none",
        allowed.path_or_none,
    ),
    "client_key_path": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        "",
        "",
        "the path of a PEM file with the client certificate's key, without a password; empty: none",
        allowed.path_or_none,
    ),
    "transport": Knob(("BRIDGE_TRANSPORT",), "", "http2", "http2 or grpcio", allowed.one_of("http2", "grpcio")),
    "headers": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "",
        "",
        "name=value,name=value with percent-encoded values; printable ASCII, or any text where the name ends in -bin; "
        "not one of gRPC's or HTTP's own headers",
        allowed.headers,
        secret=True,
    ),
    "call_timeout_seconds": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        "milliseconds",
        "10000",
        "a number of milliseconds from 100 to 600000",
        allowed.number(100, 600_000, unit_seconds=0.001),
    ),
    "gzip": Knob(
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"),
        "",
        "none",
        "gzip or none",
        lambda text: allowed.one_of("gzip", "none")(text) == "gzip",
    ),
    "service_name": Knob(
        ("OTEL_SERVICE_NAME",),
        "",
        "",
        "any text in UTF-8; empty: service.name of OTEL_RESOURCE_ATTRIBUTES, else ml-metrics-bridge",
        allowed.text_or_none,
    ),
    "resource_attributes": Knob(
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "",
        "",
        "name=value,name=value with percent-encoded values",
        allowed.pairs,
    ),
    "metrics_file_path": Knob(
        ("METRICS_FILE_PATH",),
        "",
        "/shared/metrics/current.json",
        "the path of a file, not of a folder",
        allowed.path,
    ),
    "collection_interval_seconds": Knob(
        ("COLLECTION_INTERVAL",),
        "seconds",
        "10",
        "a number of seconds from 0.05 to 86400",
        allowed.number(0.05, 86_400),
    ),
    "log_level": Knob(
        ("LOG_LEVEL",),
        "",
        "INFO",
        "one of DEBUG, INFO, WARNING (or WARN), ERROR, CRITICAL",
        allowed.one_of(*_LEVELS, also={"warn": "WARNING"}),
    ),
    "log_format": Knob(("BRIDGE_LOG_FORMAT",), "", "text", "text or json", allowed.one_of("text", "json")),
    "stale_after_seconds": Knob(
        ("BRIDGE_STALE_AFTER",),
        "seconds",
        "1800",
        "a number of seconds from 1 to 31536000",
        allowed.number(1, 31_536_000),
    ),
    "file_size_max_bytes": Knob(
        ("BRIDGE_FILE_SIZE_MAX",),
        "bytes",
        "262144",
        "a whole number of bytes from 1024 to 16777216",
        allowed.whole(1024, 16_777_216),
    ),
    "queue_count_max": Knob(
        ("BRIDGE_QUEUE_COUNT_MAX",),
        "requests",
        "10000",
        "a whole number from 1 to 1000000",
        allowed.whole(1, 1_000_000),
    ),
    "queue_size_max_bytes": Knob(
        ("BRIDGE_QUEUE_SIZE_MAX",),
        "bytes",
        "10485760",
        "a whole number of bytes from 65536 to 1073741824",
        allowed.whole(65_536, 1_073_741_824),
    ),
    "shutdown_budget_seconds": Knob(
        ("BRIDGE_SHUTDOWN_BUDGET",),
        "seconds",
        "10",
        "a number of seconds from 0 to 3600",
        allowed.number(0, 3600),
    ),
    "spool_folder": Knob(("BRIDGE_SPOOL_DIR",), "", "", "the path of a folder; empty: none", allowed.folder_or_none),
    "spool_size_max_bytes": Knob(
        ("BRIDGE_SPOOL_SIZE_MAX",),
        "bytes",
        "16777216",
        "a whole number of bytes from 65536 to 1073741824",
        allowed.whole(65_536, 1_073_741_824),
    ),
    "exit_after_idle_seconds": Knob(
        ("BRIDGE_EXIT_AFTER_IDLE",),
        "seconds",
        "",
        "a number of seconds from 1 to 31536000; empty: never",
        allowed.number_or_none(1, 31_536_000),
    ),
    "exit_without_file_seconds": Knob(
        ("BRIDGE_EXIT_WITHOUT_FILE",),
        "seconds",
        "",
        "a number of seconds from 1 to 31536000; empty: never",
        allowed.number_or_none(1, 31_536_000),
    ),
    "exit_marker_path": Knob(("BRIDGE_EXIT_MARKER",), "", "", "the path of a file; empty: none", allowed.path_or_none),
    "table": Knob(
        ("BRIDGE_MAPPING_FILE",),
        "",
        "",
        "the path of a mapping file; empty: the nine metrics of docs/metrics.md",
        allowed.table,
    ),
    "self_metrics_interval_seconds": Knob(
        ("BRIDGE_SELF_METRICS_INTERVAL",),
        "seconds",
        "60",
        "a number of seconds from 60 to 86400; 0: never",
        lambda text: allowed.number(0, 0)(text) if text.strip("0.") == "" else allowed.number(60, 86_400)(text),
    ),
    "health_port": Knob(
        ("BRIDGE_HEALTH_PORT",),
        "",
        "0",
        "a whole number from 1 to 65535; 0: no health endpoint",
        allowed.whole(0, 65_535),
    ),
    "health_host": Knob(
        ("BRIDGE_HEALTH_HOST",),
        "",
        "127.0.0.1",
        "a literal IPv4 or IPv6 address; 0.0.0.0 or :: for all of this machine's",
        allowed.address,
    ),
    "sdk_disabled": Knob(("OTEL_SDK_DISABLED",), "", "false", "true or false", allowed.yes),
}
