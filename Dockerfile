# The images of the bridge, of the jobs that stand beside it in the demonstrations, and of the recording sink.
#
#   docker build -t ml-metrics-bridge .                     the bridge: the last stage
#   docker compose --profile "*" build                      all four
#
# Every image: no pip at run time, bytecode compiled into it, a user without rights, nothing that needs a writable root
# file system. pip asks the index that it is set up for; a machine that reaches its index otherwise gives its own pip.conf
# as the build secret `pip` (docs/containers.md).

FROM python:3.13-slim AS base
ENV PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH

FROM base AS build
RUN python3 -m venv /opt/venv
COPY requirements/bridge.txt /requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip install --no-cache-dir --no-compile --require-hashes -r /requirements.txt

# The package goes in as files: a wheel would bring the harness along. Bytecode that is never compared with its source
# is as good in an image, and stays good whatever happens to the times of files.
FROM build AS build-bridge
RUN python -m pip uninstall --yes --quiet pip
COPY bridge/ /tmp/bridge/
RUN mv /tmp/bridge "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/" \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv

FROM build AS build-harness
COPY requirements/harness.txt /requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip install --no-cache-dir --no-compile --require-hashes -r /requirements.txt \
 && python -m pip uninstall --yes --quiet pip \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv
COPY harness/ /tmp/harness/
COPY mock_ml_job/ /tmp/mock_ml_job/
RUN packages="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && mv /tmp/harness /tmp/mock_ml_job "$packages/" \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages/harness" "$packages/mock_ml_job"

# Nothing at run time installs anything: the base's own pip goes too. An empty volume takes this folder's owner.
FROM base AS runtime
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
           /usr/bin/pip* /usr/lib/python3/dist-packages/pip* /usr/lib/python3*/ensurepip \
 && install -d -o 10001 -g 10001 /shared/metrics

# The mock job needs Python alone.
FROM runtime AS job
LABEL org.opencontainers.image.title="ml-metrics-bridge-job" \
      org.opencontainers.image.description="A mock training job that writes its metrics to a file" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY mock_ml_job/ /opt/job/mock_ml_job/
WORKDIR /opt/job
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/job \
 && python3 -c "import mock_ml_job.__main__"
USER 10001:10001
ENTRYPOINT ["python3", "-m", "mock_ml_job"]
CMD ["mock"]

# The training job and the recording sink: the harness's own libraries.
FROM runtime AS train
LABEL org.opencontainers.image.title="ml-metrics-bridge-train" \
      org.opencontainers.image.description="A real training run on scikit-learn's digits that writes its metrics to a file" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-harness /opt/venv /opt/venv
USER 10001:10001
ENTRYPOINT ["python", "-m", "mock_ml_job"]
CMD ["train"]

FROM runtime AS sink
LABEL org.opencontainers.image.title="ml-metrics-bridge-sink" \
      org.opencontainers.image.description="The harness's recording OTLP sink" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-harness /opt/venv /opt/venv
USER 10001:10001
ENTRYPOINT ["python", "-m", "harness.observers.sink"]

FROM runtime AS bridge
LABEL org.opencontainers.image.title="ml-metrics-bridge" \
      org.opencontainers.image.description="Carries an ML training job's metrics from a file to an OpenTelemetry Collector" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-bridge /opt/venv /opt/venv
# What the bridge imports of the standard library is compiled too: python:slim comes without bytecode, and without it
# each start takes 4.3 MiB and 0.8 s of CPU more.
RUN python -c "import importlib, pkgutil, bridge; \
[importlib.import_module(module.name) for module in pkgutil.walk_packages(bridge.__path__, 'bridge.') \
 if module.name != 'bridge.transports.grpcio']"
# The health answer is on in the image, on the container's own loopback; a container may have it elsewhere, or not at all.
ENV BRIDGE_HEALTH_PORT=13133
USER 10001:10001
# bash asks by itself: a second Python would cost more than the bridge. It asks where the bridge's own variables have the
# answer: at all addresses means at loopback too, and port 0 or none that nobody answers; the container is then healthy
# as long as its PID 1 lives, for Docker asks no longer than that.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "\
set -- ${BRIDGE_HEALTH_PORT:-0}; port=$((10#${1:-0})); [ $port = 0 ] && exit 0; \
set -- ${BRIDGE_HEALTH_HOST:-127.0.0.1}; hosts=${1:-127.0.0.1}; \
case $hosts in *[!0:.]*) ;; *:*) hosts='::1 127.0.0.1';; *) hosts=127.0.0.1;; esac; \
for host in $hosts; do \
  { exec 3<>/dev/tcp/$host/$port; } && printf 'GET /live HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -t 2 _ status _ <&3 \
  && [ \"$status\" = 200 ] && exit 0; \
done; exit 1"]
ENTRYPOINT ["python", "-m", "bridge"]
