"""Every knob: its default, what it takes, what it refuses; docs/settings.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.settings import KNOBS, Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def refused(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as error:
        Settings.from_mapping(environ)
    return {problem.name: str(problem) for problem in error.value.problems}


def test_without_any_variable_the_defaults_hold():
    settings = Settings.from_mapping({})
    assert str(settings.endpoint) == "http://localhost:4317"
    assert settings.metrics_file_path == "/shared/metrics/current.json"
    assert settings.collection_interval_seconds == 10
    assert settings.log_level == "INFO"
    assert settings.call_timeout_seconds == 10
    assert settings.resource(host_name="pod-1") == {
        "service.name": "ml-metrics-bridge",
        "service.instance.id": "pod-1",
    }


def test_an_empty_variable_is_as_good_as_none():
    assert Settings.from_mapping({name: " " for knob in KNOBS.values() for name in knob.names}) == (
        Settings.from_mapping({})
    )


def test_the_five_of_the_contract():
    settings = Settings.from_mapping(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "otel-collector:4317",
            "OTEL_SERVICE_NAME": "digits",
            "METRICS_FILE_PATH": "/shared/now.json",
            "COLLECTION_INTERVAL": "0.25",
            "LOG_LEVEL": "debug",
        }
    )
    assert (settings.endpoint.host, settings.endpoint.port, settings.endpoint.tls) == ("otel-collector", 4317, None)
    assert settings.service_name == "digits"
    assert settings.metrics_file_path == "/shared/now.json"
    assert settings.collection_interval_seconds == 0.25
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ["http://c:0", "c:65536", "http://c:4317/v1/metrics", "ftp://c", "a b", "::1"]),
        ("OTEL_EXPORTER_OTLP_INSECURE", ["1", "yes"]),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", ["/nowhere/ca.pem", "/shared/", "/dev/null"]),
        ("BRIDGE_TRANSPORT", ["http", "grpc"]),
        ("OTEL_EXPORTER_OTLP_HEADERS", ["novalue", "=x", "grpc-timeout=1S", "a b=c", "x=%0A", "te=trailers"]),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", ["10", "-1", "nan", "600001", "ten"]),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", ["zstd", "yes"]),
        ("OTEL_RESOURCE_ATTRIBUTES", ["novalue", "=x", "a=%FF"]),
        ("METRICS_FILE_PATH", ["/shared/", "a\0b"]),
        ("COLLECTION_INTERVAL", ["0", "0.01", "-1", "nan", "inf", "1e1", "1_0", "10s", "86401", "٣"]),
        ("LOG_LEVEL", ["VERBOSE", "10"]),
        ("BRIDGE_LOG_FORMAT", ["xml"]),
        ("BRIDGE_STALE_AFTER", ["0", "x"]),
        ("BRIDGE_FILE_SIZE_MAX", ["1023", "1.5", "16777217"]),
        ("BRIDGE_QUEUE_COUNT_MAX", ["0", "1000001"]),
        ("BRIDGE_QUEUE_SIZE_MAX", ["1", "1GiB"]),
        ("BRIDGE_SHUTDOWN_BUDGET", ["-1", "3601"]),
        ("BRIDGE_SPOOL_DIR", ["a\0b"]),
        ("BRIDGE_SPOOL_SIZE_MAX", ["1", "16MiB"]),
        ("BRIDGE_EXIT_AFTER_IDLE", ["0", "never"]),
        ("BRIDGE_EXIT_WITHOUT_FILE", ["0", "never"]),
        ("BRIDGE_EXIT_MARKER", ["/shared/"]),
        ("BRIDGE_SELF_METRICS_INTERVAL", ["1", "59.9", "-1", "86401", "off"]),
        ("BRIDGE_HEALTH_PORT", ["-1", "65536", "http", "1.5"]),
        ("BRIDGE_HEALTH_HOST", ["localhost", "1.2.3", "[::1]", "1.2.3.4:80"]),
        ("OTEL_SDK_DISABLED", ["1"]),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_name_and_what_is_allowed(name: str, wrong: list[str]):
    knob = next(knob for knob in KNOBS.values() if name in knob.names)
    for text in wrong:
        problems = refused({name: text})
        assert problems.keys() == {name}, text
        assert knob.allowed in problems[name]


def test_all_problems_are_reported_together():
    problems = refused({"COLLECTION_INTERVAL": "soon", "LOG_LEVEL": "loud", "BRIDGE_STALE_AFTER": "never"})
    assert problems.keys() == {"COLLECTION_INTERVAL", "LOG_LEVEL", "BRIDGE_STALE_AFTER"}
    assert "soon" in problems["COLLECTION_INTERVAL"]


def test_the_error_that_contributing_calls_right_is_the_one_that_is_said():
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^(COLLECTION_INTERVAL.*?)\s+right$", page, re.MULTILINE)
    with pytest.raises(SettingsError) as error:
        Settings.from_mapping({"COLLECTION_INTERVAL": "ten"})
    assert str(error.value) == shown


def test_the_form_for_metrics_goes_before_the_general_one():
    settings = Settings.from_mapping(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "a:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://b:2"}
    )
    assert str(settings.endpoint) == "http://b:2"


def test_headers_are_decoded_and_never_shown():
    settings = Settings.from_mapping({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret, x-tenant=7"})
    assert settings.headers == (("authorization", "Bearer s3cret"), ("x-tenant", "7"))
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in refused({"OTEL_EXPORTER_OTLP_HEADERS": "s3cret"})["OTEL_EXPORTER_OTLP_HEADERS"]


def test_the_resource_is_made_of_what_is_given_and_the_service_name_goes_first():
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,service.instance.id=mine,team=vision%20lab"}
    assert Settings.from_mapping(environ).resource(host_name="pod-1") == {
        "service.name": "a",
        "service.instance.id": "mine",
        "team": "vision lab",
    }
    environ["OTEL_SERVICE_NAME"] = "b"
    assert Settings.from_mapping(environ).resource(host_name="pod-1")["service.name"] == "b"


def test_every_field_has_its_knob():
    assert list(Settings._fields) == list(KNOBS)


def test_the_document_says_of_every_knob_what_the_code_says():
    told = {}
    for line in DOCUMENT.splitlines():
        if re.match(r"\| `[A-Z]", line):  # other tables of the document begin otherwise
            names, unit, default, allowed, _ = (cell.strip() for cell in line.strip("|").split("|"))
            told[tuple(name.strip(" `") for name in names.split(","))] = (unit, default.strip("`"), allowed)
    assert told == {knob.names: (knob.unit, knob.default, knob.allowed) for knob in KNOBS.values()}


def test_a_password_in_the_endpoint_is_not_shown():
    told = refused({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:s3cret@collector:4317"})
    assert "s3cret" not in told["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert "@collector:4317" in told["OTEL_EXPORTER_OTLP_ENDPOINT"]


@pytest.mark.parametrize("name", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS"])
def test_what_is_no_utf_8_in_the_environment_is_refused_where_it_would_be_sent(name: str):
    from_bytes = b"a=\xff\xfe".decode("utf-8", "surrogateescape")
    with pytest.raises(SettingsError) as error:
        Settings.from_mapping({name: from_bytes})
    assert [problem.name for problem in error.value.problems] == [name]


def test_a_path_need_not_be_utf_8():
    path = b"/metrics/\xff.json".decode("utf-8", "surrogateescape")
    assert Settings.from_mapping({"METRICS_FILE_PATH": path}).metrics_file_path == path


def test_its_secrets_are_the_headers_values_and_the_tokens_in_them():
    told = Settings.from_mapping({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hunter4,x-tenant=blue,x=no"})
    assert told.secrets == {"Bearer hunter4", "hunter4", "blue"}
    assert "hunter4" not in repr(told)
