"""Where the collector is: the forms that are taken, plain or TLS, and the files of TLS judged at the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.endpoint import UNIX_PATH_BYTES_MAX, Tls, guess, parse
from bridge.errors import SettingsError
from bridge.settings import Settings
from bridge.transports import certificates, metadata
from tests.bridge.transports.authority import Authority

ROOT = Path(__file__).parents[2]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
INSECURE = "OTEL_EXPORTER_OTLP_INSECURE"
CA = "OTEL_EXPORTER_OTLP_CERTIFICATE"
CERTIFICATE = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
KEY = "OTEL_EXPORTER_OTLP_CLIENT_KEY"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def refused(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as error:
        Settings.from_mapping(environ)
    return {problem.name: str(problem) for problem in error.value.problems}


@pytest.mark.parametrize(
    ("text", "host", "port", "spelled", "authority"),
    [
        ("http://collector:4317", "collector", 4317, "http://collector:4317", "collector:4317"),
        ("HTTP://Collector:4317/", "Collector", 4317, "http://Collector:4317", "Collector:4317"),
        ("https://collector", "collector", 4317, "https://collector:4317", "collector:4317"),
        ("collector", "collector", 4317, "http://collector:4317", "collector:4317"),
        ("otel_collector.svc.:1", "otel_collector.svc.", 1, "http://otel_collector.svc.:1", "otel_collector.svc.:1"),
        ("http://10.0.0.1:55", "10.0.0.1", 55, "http://10.0.0.1:55", "10.0.0.1:55"),
        ("[::1]:65535", "::1", 65535, "http://[::1]:65535", "[::1]:65535"),
        ("https://[2001:db8::1]:4318", "2001:db8::1", 4318, "https://[2001:db8::1]:4318", "[2001:db8::1]:4318"),
        ("dns:///otel.monitoring.svc:4317", "otel.monitoring.svc", 4317, "http://otel.monitoring.svc:4317", None),
        ("unix:/run/otel.sock", "localhost", 0, "unix:/run/otel.sock", "localhost"),
        ("unix:///run/otel.sock", "localhost", 0, "unix:/run/otel.sock", "localhost"),
        ("unix:otel.sock", "localhost", 0, "unix:otel.sock", "localhost"),
    ],
)
def test_the_endpoint_has_these_forms(text: str, host: str, port: int, spelled: str, authority: str | None):
    endpoint = parse(text)
    assert (endpoint.host, endpoint.port, str(endpoint)) == (host, port, spelled)
    assert endpoint.authority == (authority or f"{host}:{port}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "http:///collector",
        "http://c:0",
        "c:65536",
        "c:",
        "c:12a",
        "http://c:4317/v1/metrics",
        "http://user:password@c:4317",
        "http://c:4317?x=1",
        "ftp://c",
        "dns://8.8.8.8/c:4317",
        "a b",
        "a..b",
        "-a",
        "x" * 64,
        "::1",
        "[::1",
        "[:::1]:1",
        "[1.2.3.4]:1",
        "unix:",
        "unix:/",
        "unix:/run/",
        "unix://run/otel.sock",
        "unix:/" + "x" * UNIX_PATH_BYTES_MAX,
    ],
)
def test_no_other_form_is_taken(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - its text is what was given; the setting says what is allowed
        parse(text)


def test_the_name_that_a_certificate_must_have_ends_in_no_dot():
    assert parse("https://collector.svc.:1").server_name == "collector.svc"
    assert parse("unix:/x").server_name == "localhost"


@pytest.mark.parametrize(
    ("text", "insecure", "encrypted", "decided_by"),
    [
        ("http://c:1", "", False, "scheme"),
        ("https://c:1", "", True, "scheme"),
        ("http://c:1", "false", False, "scheme"),
        ("https://c:1", "true", True, "scheme"),
        ("c:1", "true", False, "setting"),
        ("c:1", "false", True, "setting"),
        ("dns:///c:1", "FALSE", True, "setting"),
        ("unix:/c", "false", True, "setting"),
        ("c:1", "", False, "default"),
        ("dns:///c:1", "", False, "default"),
        ("unix:/c", "", False, "default"),
    ],
)
def test_plain_or_tls_is_decided_by_the_scheme_then_by_insecure_then_plain(
    text: str, insecure: str, *, encrypted: bool, decided_by: str
):
    endpoint = Settings.from_mapping({ENDPOINT: text, INSECURE: insecure}).endpoint
    assert ((endpoint.tls is not None), endpoint.decided_by) == (encrypted, decided_by)


def test_only_a_guess_is_told_and_in_one_line():
    told = guess(Settings.from_mapping({ENDPOINT: "otel-collector:4317"}).endpoint)
    assert told is not None
    assert "plain text" in told
    assert "\n" not in told
    for environ in ({}, {ENDPOINT: "https://c:1"}, {ENDPOINT: "c:1", INSECURE: "true"}, {ENDPOINT: "unix:/c"}):
        assert guess(Settings.from_mapping(environ).endpoint) is None


def test_the_files_of_tls_reach_the_endpoint_and_the_form_for_metrics_goes_first(authority: Authority):
    certificate, key = authority.client()
    environ = {
        ENDPOINT: "https://c:1",
        CA: "/nowhere",
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": str(authority.path),
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": str(certificate),
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": str(key),
    }
    assert Settings.from_mapping(environ).endpoint.tls == Tls(authority.path, certificate, key)
    plain = Settings.from_mapping(environ | {ENDPOINT: "http://c:1"})
    assert (plain.endpoint.tls, plain.tls_files) == (None, Tls(authority.path, certificate, key))
    assert Settings.from_mapping({ENDPOINT: "https://c:1"}).endpoint.tls == Tls()


# What may be wrong with the files


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("name", [CA, CERTIFICATE, KEY])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file"),
        ("folder", "no regular file"),
        ("fifo", "no regular file"),
        ("empty", "there is no PEM"),
        ("text", "there is no PEM"),
        ("der", "there is no PEM"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_settings_error(
    authority: Authority, scheme: str, name: str, kind: str, reason: str
):
    path = authority.path.with_name("file")
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "empty" | "text" | "der":
            path.write_bytes({"empty": b"", "text": b"-----BEGIN", "der": bytes(range(256))}[kind])
    certificate, key = authority.client()
    good = {ENDPOINT: f"{scheme}://c:1", CA: str(authority.path), CERTIFICATE: str(certificate), KEY: str(key)}
    problems = refused(good | {name: str(path)})
    assert problems.keys() == {name}
    assert reason in problems[name]


def test_a_file_without_permission_is_a_settings_error(authority: Authority):
    authority.path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nothing is forbidden to root
    try:
        problems = refused({CA: str(authority.path)})
    finally:
        os.seteuid(user)
    assert "permission denied" in problems[CA]


def test_a_key_without_its_certificate_and_a_certificate_without_its_key_are_settings_errors(authority: Authority):
    certificate, key = authority.client()
    assert CERTIFICATE in refused({ENDPOINT: "https://c", KEY: str(key)})[KEY]
    assert KEY in refused({ENDPOINT: "https://c", CERTIFICATE: str(certificate)})[CERTIFICATE]


def test_a_key_of_another_certificate_is_a_settings_error(authority: Authority):
    certificate, key = authority.client("me")[0], authority.client("you")[1]
    problems = refused({ENDPOINT: "https://c", CERTIFICATE: str(certificate), KEY: str(key)})
    assert "belongs to another certificate" in problems[CERTIFICATE]


def test_a_key_behind_a_password_is_a_settings_error_and_asks_nobody(authority: Authority, tmp_path: Path):
    certificate, _ = authority.client()
    key = tmp_path / "locked.key"
    for text in (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMA==\n-----END RSA PRIVATE KEY-----\n",
    ):
        key.write_text(text)
        assert "encrypted" in refused({ENDPOINT: "https://c", CERTIFICATE: str(certificate), KEY: str(key)})[KEY]


@pytest.mark.parametrize("name", [CA, CERTIFICATE])
def test_pem_with_nonsense_inside_is_a_settings_error_where_it_would_be_used(
    authority: Authority, tmp_path: Path, name: str
):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    certificate, key = authority.client()
    good = {ENDPOINT: "https://c", CA: str(authority.path), CERTIFICATE: str(certificate), KEY: str(key)}
    assert "cannot be read" in refused(good | {name: str(nonsense)})[name]


def test_all_of_them_are_reported_together_with_everything_else(tmp_path: Path):
    problems = refused(
        {
            ENDPOINT: "https://c:4317/v1/metrics",
            CA: str(tmp_path / "ca.pem"),
            CERTIFICATE: str(tmp_path / "me.pem"),
            KEY: str(tmp_path / "me.key"),
            INSECURE: "perhaps",
            "BRIDGE_TRANSPORT": "carrier pigeon",
        }
    )
    assert problems.keys() == {ENDPOINT, CA, CERTIFICATE, KEY, INSECURE, "BRIDGE_TRANSPORT"}


def test_the_bridge_ends_with_2_and_a_line_for_each(tmp_path: Path):
    environ = {ENDPOINT: "https://localhost", CA: str(tmp_path / "ca.pem"), KEY: str(tmp_path / "key.pem")}
    for transport in ("http2", "grpcio"):
        done = subprocess.run(
            [sys.executable, "-m", "bridge"],
            check=False,
            env=os.environ | environ | {"BRIDGE_TRANSPORT": transport},
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            timeout=30,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert [line.partition("=")[0] for line in done.stderr.splitlines()[1:]] == [CA, KEY]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path):
    path = tmp_path / "large.pem"
    with path.open("wb") as file:
        file.truncate(certificates.FILE_BYTES_MAX + 1)
    assert "more than" in refused({CA: str(path)})[CA]


def test_grpcio_asked_for_and_not_installed_is_a_settings_error_that_names_the_extra():
    """The package is hidden from a bridge of its own process."""
    program = (
        "import sys\n"
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'grpc' else found(name)\n"
        "from bridge.__main__ import main\n"
        "sys.exit(main(['check'], {'BRIDGE_TRANSPORT': 'grpcio', 'COLLECTION_INTERVAL': 'never'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 2
    assert "ml-metrics-bridge[grpcio]" in done.stderr
    assert "COLLECTION_INTERVAL" in done.stderr


# Request headers


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "Bearer abc"), ("x-empty", ""), ("x_1.a-b", "~!"), ("trace-bin", "\0 €"), ("x", "a b")],
)
def test_these_headers_are_sent(name: str, value: str):
    metadata.check(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("Upper", "x"),
        ("a b", "x"),
        (":path", "x"),
        ("grpc-timeout", "1S"),
        ("grpc-anything", "x"),
        ("te", "trailers"),
        ("content-type", "x"),
        ("content-length", "1"),
        ("connection", "close"),
        ("user-agent", "x"),
        ("x", " leading"),
        ("x", "trailing "),
        ("x", "line\nbreak"),
        ("x", "umläut"),
    ],
)
def test_headers_that_would_fail_every_call_are_refused_without_their_value(name: str, value: str):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the point is what the text lacks
        metadata.check(name, value)
    assert str(error.value) == name


@pytest.mark.parametrize(
    ("value", "wire"), [("", b""), ("a", b"YQ"), ("ab", b"YWI"), ("abc", b"YWJj"), ("€", b"4oKs"), ("\0", b"AA")]
)
def test_a_binary_header_is_base64_without_padding(value: str, wire: bytes):
    assert metadata.on_the_wire("x-bin", value) == (b"x-bin", wire)
