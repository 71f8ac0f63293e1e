# The images of the bridge, of the jobs that stand beside it in the demonstrations, and of the recording sink.
#
#   docker build --target bridge -t ml-metrics-bridge .        (the last stage, so the target may be left out)
#
# Every image: a virtual environment without pip, bytecode compiled into it, one user without rights, nothing that
# needs a writable root file system.

FROM python:3.13-slim AS base
ENV PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin bridge

FROM base AS build
RUN python3 -m venv /opt/venv
COPY requirements/bridge.txt /requirements.txt
RUN python -m pip install --no-cache-dir --no-compile --require-hashes -r /requirements.txt

FROM build AS build-bridge
COPY bridge/ /tmp/bridge/
# Without bytecode each start takes 4.3 MiB and 0.8 s of CPU more.
RUN mv /tmp/bridge "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/" \
 && python -m pip uninstall --yes --quiet pip \
 && python -m compileall -q -j 0 /opt/venv

FROM build AS build-sink
COPY requirements/harness.txt /requirements.txt
RUN python -m pip install --no-cache-dir --no-compile --require-hashes -r /requirements.txt
COPY harness/ /tmp/harness/
COPY mock_ml_job/ /tmp/mock_ml_job/
RUN mv /tmp/harness /tmp/mock_ml_job "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/" \
 && python -m pip uninstall --yes --quiet pip \
 && python -m compileall -q -j 0 /opt/venv

# The mock job needs Python alone.
FROM base AS job
COPY mock_ml_job/ /opt/job/mock_ml_job/
RUN python3 -m compileall -q /opt/job
WORKDIR /opt/job
USER 10001:10001
ENTRYPOINT ["python3", "-m", "mock_ml_job"]
CMD ["mock"]

# The training job and the recording sink: the harness's own libraries.
FROM base AS train
COPY --from=build-sink /opt/venv /opt/venv
USER 10001:10001
ENTRYPOINT ["python", "-m", "mock_ml_job"]
CMD ["train"]

FROM base AS sink
COPY --from=build-sink /opt/venv /opt/venv
USER 10001:10001
ENTRYPOINT ["python", "-m", "harness.observers.sink"]

FROM base AS bridge
LABEL org.opencontainers.image.title="ml-metrics-bridge" \
      org.opencontainers.image.description="Carries an ML training job's metrics from a file to an OpenTelemetry Collector" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-bridge /opt/venv /opt/venv
# The health answer is on in the image, on the container's own loopback.
ENV BRIDGE_HEALTH_PORT=13133
USER 10001:10001
# bash asks by itself: a second Python would cost more than the bridge.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/13133 && printf 'GET /live HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -t 2 _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["python", "-m", "bridge"]
